"""Rare age decades heard more often, or crowded ones less: on training rows only, from the counts it sees."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from facecli.core.attributes import MISSING, age_group_id
from facecli.core.errors import InputError
from facecli.core.recipes import LEFT_OUT, REBALANCINGS

METHODS = REBALANCINGS
MAX_REPEATS = 4.0
"""A row is seen at most that often in an epoch; more would be learnt by heart."""
MAX_WEIGHT = 3.0
"""Bounds a weight before normalisation, from above and (its inverse) from below."""


@dataclass(frozen=True)
class Balanced:
    """What an epoch sees of a table.

    Attributes:
        rows: (m,) int64 positions in the table, sorted, each at least once.
        weights: (m,) float32, what a row counts for; their mean is 1.
        seen: (m,) float32 in (0, 1], the share of the epochs that see a row; which ones these are is drawn
            anew for each epoch.
    """

    rows: np.ndarray
    weights: np.ndarray
    seen: np.ndarray


def rebalance(frame_train: pd.DataFrame, method: str, seed: int, left_out: float = LEFT_OUT) -> Balanced:
    """What an epoch sees of the training rows.

    `none`: every row once. `oversample`: the rows of decades with fewer rows than the mean
    decade are repeated up to that mean, at most MAX_REPEATS times; which rows get the odd
    repeat is drawn. `undersample`: of decades with more rows than the mean decade a share is left out,
    drawn anew for each epoch; none of them becomes smaller than that mean. `weights`: every row once,
    weighted by the inverse square root of its decade's count, bounded by MAX_WEIGHT, with mean 1. Rows
    without an age are neither repeated nor left out nor reweighted against the mean decade.

    Args:
        frame_train: the training rows, with `age_years`.
        method: one of METHODS.
        seed: of the draw.
        left_out: `undersample`: the share of the rows of a crowded decade, in [0, 1).

    Returns:
        See Balanced; its arrays are empty for an empty table.

    Raises:
        InputError: an unknown method, or a share that is none.
    """
    if method not in METHODS:
        raise InputError(f"unknown rebalancing '{method}'; choose one of {', '.join(METHODS)}")
    if not 0 <= left_out < 1:
        raise InputError(f"a share of {left_out} cannot be left out; give a number from 0 to below 1")
    decades = age_decades(frame_train["age_years"])
    rows = _oversampled(decades, seed) if method == "oversample" else np.arange(len(decades))
    weights = _weights(decades) if method == "weights" else np.ones(len(rows))
    seen = 1 - _left_out(decades, left_out) if method == "undersample" else np.ones(len(rows))
    return Balanced(rows, weights.astype(np.float32), seen.astype(np.float32))


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


def _left_out(decades: np.ndarray, most: float) -> np.ndarray:
    """(n,) share of the epochs that miss a row."""
    counts, mean = _counts(decades)
    shares = np.zeros(len(decades))
    for decade, count in counts.items():
        shares[decades == decade] = np.clip(1 - mean / count, 0.0, most)
    return shares


def _weights(decades: np.ndarray) -> np.ndarray:
    counts, mean = _counts(decades)
    weights = np.ones(len(decades))
    for decade, count in counts.items():
        weights[decades == decade] = np.clip(np.sqrt(mean / count), 1 / MAX_WEIGHT, MAX_WEIGHT)
    return weights / weights.mean() if len(weights) else weights
