"""Percentile bootstrap (Efron 1979): how far a mean could lie from the truth by chance."""

from collections.abc import Sequence

import numpy as np

RESAMPLES = 1000
_CHUNK_CELLS = 4_000_000


def mean_interval(
    values: Sequence[float], level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Interval of the mean of a sample.

    Args:
        values: (n,) a value a face.
        level: share of resampled means inside, in (0, 1).
        resamples, seed: of the draw.

    Returns:
        (low, high); (nan, nan) for an empty sample.
    """
    values = np.asarray(values, np.float64)
    if not len(values):
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    step = max(_CHUNK_CELLS // len(values), 1)
    means = [
        values[random.integers(0, len(values), (min(step, resamples - start), len(values)))].mean(axis=1)
        for start in range(0, resamples, step)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
