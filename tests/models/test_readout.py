import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.models.readout import age_interval, expected_age


def one_hot(*years):
    return np.eye(117)[list(years)]


def test_no_faces():
    empty = np.zeros((0, 117))
    assert expected_age(empty).shape == (0,)
    low, high = age_interval(empty)
    assert low.shape == high.shape == (0,)


def test_certain_distributions():
    assert expected_age(one_hot(0, 31, 116)).tolist() == [0, 31, 116]
    low, high = age_interval(one_hot(0, 31, 116))
    assert low.tolist() == high.tolist() == [0, 31, 116]


def test_interval_of_a_uniform_distribution():
    low, high = age_interval(np.full((1, 100), 0.01), 0.9)
    assert (low[0], high[0]) == pytest.approx((5, 94), abs=1)


@given(st.lists(st.floats(0.001, 1), min_size=117, max_size=117), st.floats(0.05, 0.99))
def test_interval_holds_its_share_and_is_ordered(weights, level):
    probabilities = np.array([weights]) / np.sum(weights)
    low, high = age_interval(probabilities, level)
    assert 0 <= low[0] <= high[0] <= 116
    assert probabilities[0, low[0] : high[0] + 1].sum() >= level - 1e-6
