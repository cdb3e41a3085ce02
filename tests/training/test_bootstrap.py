"""Intervals of means: of nothing, of a constant, of a sample whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.training import metrics
from facecli.training.metrics import mean_interval


def test_interval_of_nothing_and_of_one_value():
    assert np.isnan(mean_interval([])).all()
    assert mean_interval([3.0] * 5) == (3.0, 3.0)


def test_interval_is_that_of_the_normal_distribution_for_many_values():
    values = np.random.default_rng(0).normal(10, 2, 2000)
    low, high = mean_interval(values)
    half = 1.96 * 2 / np.sqrt(2000)
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)


def test_a_wider_level_is_a_wider_interval():
    values = np.arange(50.0)
    assert mean_interval(values, 0.99)[0] < mean_interval(values, 0.8)[0]
    assert mean_interval(values, 0.99)[1] > mean_interval(values, 0.8)[1]


def test_small_chunks_draw_as_many_resamples(monkeypatch):
    """Memory is bounded by drawing in parts; 7 does not divide 1000."""
    whole = mean_interval(np.arange(20.0))
    monkeypatch.setattr(metrics, "_CHUNK_CELLS", 7 * 20)
    assert mean_interval(np.arange(20.0)) == pytest.approx(whole, abs=0.6)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=50))
def test_interval_lies_within_the_sample(values):
    low, high = mean_interval(values, resamples=50)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    assert mean_interval(values, resamples=50) == (low, high)
