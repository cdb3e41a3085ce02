"""Bands of years."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.attributes import (
    AGE_CLASSES,
    MAX_AGE_YEARS,
    PRESETS,
    AgeGroups,
    age_group,
    parse_age_groups,
)
from facecli.core.errors import InputError

EVEN = [1 / AGE_CLASSES] * AGE_CLASSES


def spans(groups: AgeGroups) -> list[tuple[int, int]]:
    return [(band.first, band.last) for band in groups.bands]


def certain(age: int) -> list[float]:
    return [float(year == age) for year in range(AGE_CLASSES)]


@pytest.mark.parametrize("spec", ["", " ", ",", "-", "decade", "0-x"])
def test_what_is_no_spec_is_refused_in_one_line(spec):
    with pytest.raises(InputError) as refused:
        parse_age_groups(spec)
    assert "\n" not in str(refused.value)
    assert "0-24,25-49,50+" in str(refused.value)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("0-24,,25-49", "'' is not a band"),
        ("0-24,25-49,", "'' is not a band"),
        ("0-24;25-49", "'0-24;25-49' is not a band"),
        ("-5-24", "'-5-24' is not a band"),
        ("0-24.5", "'0-24.5' is not a band"),
        ("٠-٢٤,25+", "is not a band"),
        ("24-0,25+", "24-0 is reversed; write 0-24"),
        ("0-24,24-49", "0-24 and 24-49 overlap"),
        ("0+,25+", "0+ and 25+ overlap"),
        ("0-24,26-49", "no band contains 25, between 0-24 and 26-49"),
        ("0-24,30-49", "no band contains 25-29"),
        ("25-49,0-24", "not in order"),
        ("0-24,0-24", "not in order"),
        ("0-116,117+", "ages up to 116"),
        ("999999999-9999999999", "is not a band"),
    ],
)
def test_bad_bands_are_refused_and_named(spec, reason):
    with pytest.raises(InputError, match=r"age groups") as refused:
        parse_age_groups(spec)
    assert reason in str(refused.value)


def test_years_outside_of_the_bands_are_bands_of_their_own():
    groups = parse_age_groups("0-24,25-49,50-74,75-99")
    assert groups.names == ("0-24", "25-49", "50-74", "75-99", "100+")
    assert spans(groups) == [(0, 24), (25, 49), (50, 74), (75, 99), (100, 116)]
    assert parse_age_groups("18-29, 30 - 44").names == ("0-17", "18-29", "30-44", "45+")
    assert parse_age_groups("1-115").names == ("0", "1-115", "116+")
    assert spans(parse_age_groups("1-115")) == [(0, 0), (1, 115), (116, 116)]


def test_a_band_may_be_one_year_open_or_end_beyond_the_oldest():
    assert spans(parse_age_groups("0-17,18,19+")) == [(0, 17), (18, 18), (19, 116)]
    assert parse_age_groups("0-49,50-200").names == ("0-49", "50-200")
    assert spans(parse_age_groups("0-49,50-200"))[-1] == (50, 116)


def test_probabilities_are_sums_over_the_years():
    distribution = [0.0] * AGE_CLASSES
    distribution[24], distribution[25], distribution[49], distribution[116] = 0.125, 0.25, 0.5, 0.125
    found = parse_age_groups("0-24,25-49,50-74,75-99").probabilities(distribution)
    assert found == {"0-24": 0.125, "25-49": 0.75, "50-74": 0.0, "75-99": 0.0, "100+": 0.125}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_cover_every_year_once(name):
    years = [year for first, last in spans(PRESETS[name]) for year in range(first, last + 1)]
    assert years == list(range(AGE_CLASSES))
    assert parse_age_groups(f" {name.upper()} ") is PRESETS[name]


def test_decades_are_those_of_the_rows():
    for age in range(AGE_CLASSES):
        assert PRESETS["decades"].name_of(age + 0.9) == age_group(age + 0.9)


def test_years_between_adience_bands_count_for_the_nearer_one():
    written = {"0-2": (0, 2), "4-6": (4, 6), "8-13": (8, 13), "15-20": (15, 20), "25-32": (25, 32)}
    written |= {"38-43": (38, 43), "48-53": (48, 53), "60+": (60, MAX_AGE_YEARS)}
    for age in range(AGE_CLASSES):
        away = {name: max(low - age, age - high, 0) for name, (low, high) in written.items()}
        assert PRESETS["adience"].name_of(age) == min(away, key=away.get)


@st.composite
def specs(draw):
    starts = sorted(draw(st.sets(st.integers(0, MAX_AGE_YEARS), min_size=2, max_size=12)))
    return ",".join(f"{a}-{b - 1}" for a, b in zip(starts, starts[1:], strict=False)), starts


@given(specs(), st.integers(0, MAX_AGE_YEARS))
def test_any_adjoining_bands_share_out_every_age(spec_and_starts, age):
    spec, starts = spec_and_starts
    groups = parse_age_groups(spec)
    assert sum(groups.probabilities(EVEN).values()) == pytest.approx(1)
    found = groups.probabilities(certain(age))
    assert sorted(found.values())[-2:] == [0.0, 1.0] or list(found.values()) == [1.0]
    assert found[groups.name_of(age)] == 1.0
    assert {first for first, _ in spans(groups)} >= set(starts[:-1])


@given(st.text(max_size=20))
def test_any_text_is_bands_or_one_line(text):
    try:
        groups = parse_age_groups(text)
    except InputError as refused:
        assert str(refused)
    else:
        assert spans(groups)[0][0] == 0 and spans(groups)[-1][1] == MAX_AGE_YEARS
