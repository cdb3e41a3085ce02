"""Pairs of boxes at the least cost."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from facecli.core.crops import overlaps
from facecli.live.tracking import match_tracks, matching_costs

NONE = np.empty((0, 4))
BOX = np.array([[10.0, 10, 50, 50]])


def test_without_boxes_there_is_nothing_to_match():
    assert overlaps(NONE, BOX).shape == (0, 1) and matching_costs(BOX, NONE).shape == (1, 0)
    assert (
        match_tracks(matching_costs(NONE, BOX))
        == match_tracks(matching_costs(BOX, NONE))
        == match_tracks(matching_costs(NONE, NONE))
        == []
    )


@pytest.mark.parametrize(
    ("other", "overlap"),
    [((10, 10, 50, 50), 1), ((30, 10, 70, 50), 1 / 3), ((50, 10, 90, 50), 0), ((20, 20, 40, 40), 0.25)],
)
def test_overlap_is_intersection_over_union(other, overlap):
    assert overlaps(BOX, np.array([other])) == pytest.approx(overlap)


def test_the_same_box_costs_nothing_and_a_far_or_grown_one_cannot_be():
    assert matching_costs(BOX, BOX) == pytest.approx(0)
    assert matching_costs(BOX, BOX + 8)[0, 0] < matching_costs(BOX, BOX + 12)[0, 0] < np.inf
    assert np.isinf(matching_costs(BOX, BOX + 40)).all()
    assert np.isinf(matching_costs(BOX, np.array([[0.0, 0, 90, 90]]))).all()


def test_two_that_cross_are_matched_together_not_one_after_the_other():
    # The cheapest pair alone would leave the second row without a partner.
    assert match_tracks(np.array([[1.0, 1.5], [1.2, np.inf]])) == [(0, 1), (1, 0)]


@given(arrays.arrays(float, st.tuples(st.integers(0, 4), st.integers(0, 4)), elements=st.integers(0, 9)))
def test_no_other_matching_is_larger_or_cheaper(cost):
    cost[cost > 6] = np.inf
    pairs = match_tracks(cost)
    assert len(dict(pairs)) == len({column for _, column in pairs}) == len(pairs)
    assert all(np.isfinite(cost[pair]) for pair in pairs)
    rows, columns = cost.shape
    size = max(rows, columns)
    padded = np.full((size, size), 1000.0)
    padded[:rows, :columns] = np.where(np.isinf(cost), 1000, cost)
    best = min(sum(padded[range(size), order]) for order in itertools.permutations(range(size)))
    assert sum(cost[pair] for pair in pairs) + 1000 * (size - len(pairs)) == best
