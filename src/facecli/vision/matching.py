"""Which of today's boxes is which of yesterday's: overlap and distance, matched at the least cost."""

import numpy as np

# Not SciPy's: its import takes half a second, in the middle of a video where faces meet.
from lap import lapjv

SAME = 0.3
"""Overlap above which two boxes of one frame are of one face."""
_FARTHEST = 0.8
"""Distance of two centres, in sides of the larger box, beyond which boxes are not of one face."""
_LARGEST_GROWTH = 2.0
"""Ratio of two sides beyond which boxes are not of one face."""
_IMPOSSIBLE = 1e3


def overlaps(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of each pair, (n, m) in [0, 1], of (n, 4) and (m, 4) xyxy."""
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    united = _areas(ones)[:, None] + _areas(others)[None] - common
    return common / np.maximum(united, 1e-9)


def costs(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n, m): 0 for the same box, up to 2 for one that is just possible, inf for others."""
    sides, other_sides = _sides(ones)[:, None], _sides(others)[None]
    apart = np.linalg.norm(_centres(ones)[:, None] - _centres(others)[None], axis=-1)
    distance = apart / np.maximum(np.maximum(sides, other_sides), 1e-9) / _FARTHEST
    growth = np.maximum(sides, other_sides) / np.maximum(np.minimum(sides, other_sides), 1e-9)
    cost = 1 - overlaps(ones, others) + distance
    return np.where((distance > 1) | (growth > _LARGEST_GROWTH), np.inf, cost)


def match(cost: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (row, column) that together cost the least, no pair of infinite cost (Kuhn 1955).

    Args:
        cost: (n, m), at least 0, inf where a pair may not be.
    """
    possible = np.isfinite(cost)
    # Faces apart from each other leave no choice.
    if (possible.sum(axis=0) > 1).any() or (possible.sum(axis=1) > 1).any():
        possible &= _chosen(cost)
    return [(row, column) for row, column in np.argwhere(possible).tolist()]


def _chosen(cost: np.ndarray) -> np.ndarray:
    """(n, m) bool: one pair for each row or column, whichever are fewer."""
    _, column_of, _ = lapjv(np.where(np.isfinite(cost), cost, _IMPOSSIBLE), extend_cost=True)
    chosen = np.zeros(cost.shape, bool)
    rows = np.flatnonzero(column_of >= 0)
    chosen[rows, column_of[rows]] = True
    return chosen


def _areas(xyxy: np.ndarray) -> np.ndarray:
    return np.prod(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0), axis=-1)


def _centres(xyxy: np.ndarray) -> np.ndarray:
    return (xyxy[:, :2] + xyxy[:, 2:]) / 2


def _sides(xyxy: np.ndarray) -> np.ndarray:
    return (xyxy[:, 2:] - xyxy[:, :2]).max(axis=-1, initial=0)
