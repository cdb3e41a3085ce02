"""Rare age decades heard more often: on training rows only, from the counts it sees."""

import numpy as np
import pandas as pd

from facecli.core.attributes import MISSING, age_group_id
from facecli.core.errors import InputError

METHODS = ("none", "oversample", "weights")
MAX_REPEATS = 4.0
"""A row is seen at most that often in an epoch; more would be learnt by heart."""
MAX_WEIGHT = 3.0
"""Bounds a weight before normalisation, from above and (its inverse) from below."""


def rebalance(frame_train: pd.DataFrame, method: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What an epoch sees of the training rows.

    `none`: every row once. `oversample`: the rows of decades with fewer rows than the mean
    decade are repeated up to that mean, at most MAX_REPEATS times; which rows get the odd
    repeat is drawn. `weights`: every row once, weighted by the inverse square root of its
    decade's count, bounded by MAX_WEIGHT, with mean 1. Rows without an age are neither
    repeated nor reweighted against the mean decade.

    Args:
        frame_train: the training rows, with `age_years`.
        method: one of METHODS.
        seed: of the draw.

    Returns:
        row_index, (m,) int64 positions in `frame_train`, sorted, each at least once; and
        sample_weight, (m,) float32 with mean 1. Both empty for an empty table.

    Raises:
        InputError: an unknown method.
    """
    if method not in METHODS:
        raise InputError(f"unknown rebalancing '{method}'; choose one of {', '.join(METHODS)}")
    decades = age_decades(frame_train["age_years"])
    if method == "oversample":
        rows = _oversampled(decades, seed)
        return rows, np.ones(len(rows), np.float32)
    weights = _weights(decades) if method == "weights" else np.ones(len(decades))
    return np.arange(len(decades)), weights.astype(np.float32)


def age_decades(age_years: pd.Series) -> np.ndarray:
    """(n,) int64 indices into AGE_GROUPS, -1 where the age is missing."""
    groups = [MISSING if age == MISSING else age_group_id(age) for age in age_years]
    return np.asarray(groups, np.int64).reshape(-1)


def _counts(decades: np.ndarray) -> tuple[dict[int, int], float]:
    """Rows of each decade that has any, and their mean (1 when no age is known)."""
    present, counts = np.unique(decades[decades != MISSING], return_counts=True)
    return dict(zip(present.tolist(), counts.tolist(), strict=True)), float(counts.mean()) if len(
        counts
    ) else 1.0


def _oversampled(decades: np.ndarray, seed: int) -> np.ndarray:
    counts, mean = _counts(decades)
    random = np.random.default_rng(seed)
    repeats = np.ones(len(decades), np.int64)
    for decade, count in counts.items():
        rows = np.flatnonzero(decades == decade)
        whole, extra = divmod(round(min(max(mean / count, 1.0), MAX_REPEATS) * count), count)
        repeats[rows] = whole
        repeats[random.choice(rows, extra, replace=False)] += 1
    return np.repeat(np.arange(len(decades)), repeats)


def _weights(decades: np.ndarray) -> np.ndarray:
    counts, mean = _counts(decades)
    weights = np.ones(len(decades))
    for decade, count in counts.items():
        weights[decades == decade] = np.clip(np.sqrt(mean / count), 1 / MAX_WEIGHT, MAX_WEIGHT)
    return weights / weights.mean() if len(weights) else weights
