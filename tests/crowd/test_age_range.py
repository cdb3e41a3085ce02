"""Ranges of years, and the probability that somebody's age lies in one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.errors import InputError
from facecli.core.faces import Face
from facecli.crowd.search import AgeRange, parse_age_range
from facecli.sinks.summary import Person


def person(years=30.0, interval=(20, 45), distribution=None):
    found = Person(0.0)
    found.see(Face((0, 0, 1, 1), 1.0, years, interval, age_distribution=distribution), 0.0)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [("20-30", (20, 30)), ("7", (7, 7)), ("65+", (65, 116)), (" 0 - 2 ", (0, 2)), ("90-200", (90, 116))],
)
def test_ranges(text, expected):
    assert parse_age_range(text) == expected


@pytest.mark.parametrize(
    "text", ["", "-", "old", "30-20", "-5", "20-", "20..30", "1e2", "120", "٣-٤", "20-30-40", "2.5"]
)
def test_what_is_no_range(text):
    with pytest.raises(InputError):
        parse_age_range(text)


def test_nothing_known():
    assert AgeRange(0, 116).probability(Person(0.0)) is None
    assert AgeRange(0, 116).probability(person(interval=None)) is None


def test_the_interval_holds_ninety_percent():
    assert AgeRange(20, 45).probability(person()) == pytest.approx(0.9, abs=1e-4)
    assert AgeRange(0, 19).probability(person()) == pytest.approx(0.05, abs=1e-4)
    assert AgeRange(46, 116).probability(person()) == pytest.approx(0.05, abs=1e-4)


def test_a_distribution_is_summed():
    distribution = [0.0] * 117
    distribution[29], distribution[30], distribution[60] = 0.2, 0.5, 0.3
    assert AgeRange(20, 30).probability(person(distribution=tuple(distribution))) == pytest.approx(0.7)


@given(st.floats(0, 116), st.integers(0, 116), st.integers(0, 116), st.lists(st.integers(0, 116), max_size=4))
def test_bands_without_gaps_sum_to_one(years, low, high, cuts):
    someone = person(years, (min(low, high), max(low, high)))
    starts = sorted({0, *cuts})
    bands = [AgeRange(a, b - 1) for a, b in zip(starts, [*starts[1:], 117], strict=True)]
    shares = [band.probability(someone) for band in bands]
    assert all(-1e-9 <= share <= 1 for share in shares)
    assert sum(shares) == pytest.approx(1)
