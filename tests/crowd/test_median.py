import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.stats import median_interval


def test_nobody_has_no_median():
    assert median_interval([]) is None


def test_fewer_than_five_have_no_interval():
    assert median_interval([3, 1, 2, 40]) == (2.5, None)
    # (1/2) ** 5 is 3 % on either side.
    assert median_interval([5, 1, 2, 4, 3]) == (3.0, (1.0, 5.0))


@given(st.lists(st.floats(0, 116), min_size=5, max_size=60))
def test_the_interval_is_of_two_of_the_values_around_the_median(values):
    middle, (low, high) = median_interval(values)
    assert low in values and high in values and low <= middle <= high


def test_it_holds_the_true_median_at_least_as_often_as_it_says():
    random = np.random.default_rng(2)
    held = 0
    for _ in range(600):
        _, (low, high) = median_interval(random.exponential(30, 24).tolist())
        held += low <= 30 * np.log(2) <= high
    assert 0.88 <= held / 600 <= 0.98


def test_many_values_are_no_matter():
    middle, (low, high) = median_interval([float(year) for year in range(100_001)])
    assert middle == 50_000 and high - low == pytest.approx(2 * 1.645 * 100_001**0.5 / 2, rel=0.01)
