"""Percentile bootstrap (Efron 1979): how far a mean could lie from the truth by chance."""

import numpy as np
import numpy.typing as npt

RESAMPLES = 1000
_CHUNK_CELLS = 4_000_000


def mean_interval(
    values: npt.ArrayLike, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Interval of the mean of a sample.

    Args:
        values: (n,) a value a face.
        level: share of resampled means inside, in (0, 1).
        resamples, seed: of the draw.

    Returns:
        (low, high); (nan, nan) for an empty sample.
    """
    sample = np.asarray(values, np.float64)
    if not len(sample):
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    step = max(_CHUNK_CELLS // len(sample), 1)
    means = [
        sample[random.integers(0, len(sample), (min(step, resamples - start), len(sample)))].mean(axis=1)
        for start in range(0, resamples, step)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
