import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.errors import InputError
from facecli.data.groups import MAX_REPEATS, MAX_WEIGHT, METHODS, age_decades, rebalance


@pytest.mark.parametrize("method", METHODS)
def test_empty_table_gives_nothing(make_frame, method):
    rows, weights = rebalance(make_frame([]), method, 0)
    assert rows.shape == weights.shape == (0,)


def test_unknown_method_is_named(make_frame):
    with pytest.raises(InputError, match="double"):
        rebalance(make_frame([1]), "double", 0)


def test_none_is_every_row_once(make_frame):
    rows, weights = rebalance(make_frame([1, 50, -1]), "none", 0)
    assert rows.tolist() == [0, 1, 2] and weights.tolist() == [1, 1, 1]


def test_oversample_lifts_rare_decades_to_the_mean_but_caps(make_frame):
    ages = np.repeat([25, 45, 75, 95], [600, 150, 45, 5])
    frame = make_frame(ages)
    rows, weights = rebalance(frame, "oversample", 0)
    counts = dict(zip(*np.unique(ages[rows], return_counts=True), strict=True))
    assert counts == {25: 600, 45: 200, 75: 180, 95: 20}
    assert (weights == 1).all()


def test_weights_rise_by_the_inverse_square_root(make_frame):
    ages = np.repeat([25, 45], [400, 100])
    _, weights = rebalance(make_frame(ages), "weights", 0)
    assert weights[-1] / weights[0] == pytest.approx(2.0)
    assert weights.mean() == pytest.approx(1.0)


AGES = st.lists(st.integers(-1, 116), min_size=1, max_size=200)


@given(ages=AGES, method=st.sampled_from(METHODS), seed=st.integers(0, 1000))
def test_rules_hold_for_any_ages(ages, method, seed):
    import pandas as pd

    frame = pd.DataFrame({"age_years": ages})
    rows, weights = rebalance(frame, method, seed)
    repeats = np.bincount(rows, minlength=len(ages))
    assert repeats.min() >= 1 and repeats.max() <= MAX_REPEATS
    assert (repeats[np.array(ages) == -1] == 1).all()
    assert len(weights) == len(rows) and weights.mean() == pytest.approx(1.0, abs=1e-4)
    assert weights.max() <= MAX_WEIGHT**2 + 1e-3
    again = rebalance(frame, method, seed)
    assert (rows == again[0]).all() and (weights == again[1]).all()


def test_decades_of_missing_ages_are_missing(make_frame):
    assert age_decades(make_frame([-1, 0, 99, 116])["age_years"]).tolist() == [-1, 0, 9, 9]
