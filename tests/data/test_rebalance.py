import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.errors import InputError
from facecli.data.rebalance import MAX_REPEATS, MAX_WEIGHT, METHODS, age_decades, rebalance


@pytest.mark.parametrize("method", METHODS)
def test_empty_table_gives_nothing(make_frame, method):
    found = rebalance(make_frame([]), method, 0)
    assert found.rows.shape == found.weights.shape == found.seen.shape == (0,)


def test_unknown_method_is_named(make_frame):
    with pytest.raises(InputError, match="double"):
        rebalance(make_frame([1]), "double", 0)


def test_none_is_every_row_once(make_frame):
    found = rebalance(make_frame([1, 50, -1]), "none", 0)
    assert found.rows.tolist() == [0, 1, 2]
    assert found.weights.tolist() == found.seen.tolist() == [1, 1, 1]


def test_oversample_lifts_rare_decades_to_the_mean_but_caps(make_frame):
    ages = np.repeat([25, 45, 75, 95], [600, 150, 45, 5])
    frame = make_frame(ages)
    found = rebalance(frame, "oversample", 0)
    counts = dict(zip(*np.unique(ages[found.rows], return_counts=True), strict=True))
    assert counts == {25: 600, 45: 200, 75: 180, 95: 20}
    assert (found.weights == 1).all() and (found.seen == 1).all()


def test_undersample_leaves_a_share_of_crowded_decades_out_down_to_the_mean(make_frame):
    ages = np.repeat([25, 45, 75, 95], [600, 220, 175, 5])
    found = rebalance(make_frame(ages), "undersample", 0)
    assert len(found.rows) == len(ages) and (found.weights == 1).all()
    share = {age: found.seen[ages == age].max() for age in (25, 45, 75, 95)}
    assert share == {25: pytest.approx(0.5), 45: 1, 75: 1, 95: 1}
    crowded = np.repeat([25, 45], [300, 200])
    assert rebalance(make_frame(crowded), "undersample", 0, 0.9).seen[0] == pytest.approx(250 / 300)
    assert (rebalance(make_frame(ages), "undersample", 0, 0.0).seen == 1).all()


@pytest.mark.parametrize("share", [1.0, -0.1, float("nan")])
def test_a_share_that_cannot_be_left_out(make_frame, share):
    with pytest.raises(InputError, match="left out"):
        rebalance(make_frame([1]), "undersample", 0, share)


def test_weights_rise_by_the_inverse_square_root(make_frame):
    ages = np.repeat([25, 45], [400, 100])
    weights = rebalance(make_frame(ages), "weights", 0).weights
    assert weights[-1] / weights[0] == pytest.approx(2.0)
    assert weights.mean() == pytest.approx(1.0)


AGES = st.lists(st.integers(-1, 116), min_size=1, max_size=200)


@given(ages=AGES, method=st.sampled_from(METHODS), seed=st.integers(0, 1000))
def test_rules_hold_for_any_ages(ages, method, seed):
    import pandas as pd

    frame = pd.DataFrame({"age_years": ages})
    found = rebalance(frame, method, seed)
    rows, weights = found.rows, found.weights
    repeats = np.bincount(rows, minlength=len(ages))
    assert repeats.min() >= 1 and repeats.max() <= MAX_REPEATS
    assert (repeats[np.array(ages) == -1] == 1).all()
    assert len(weights) == len(rows) and weights.mean() == pytest.approx(1.0, abs=1e-4)
    assert weights.max() <= MAX_WEIGHT**2 + 1e-3
    assert found.seen.min() >= 0.5 and (found.seen[np.array(ages)[rows] == -1] == 1).all()
    again = rebalance(frame, method, seed)
    assert (rows == again.rows).all() and (weights == again.weights).all()


def test_decades_of_missing_ages_are_missing(make_frame):
    assert age_decades(make_frame([-1, 0, 99, 116])["age_years"]).tolist() == [-1, 0, 9, 9]
