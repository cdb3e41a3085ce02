"""What is read out of an age distribution: expectation, spread, interval. NumPy only.

Expectation over a softmax of years: Rothe et al., DEX (IJCV 2018).
"""

import numpy as np

SMALLEST_SPREAD = 0.5
"""Years. Labels are whole years: no distribution is surer than that."""


def expected_age(probabilities: np.ndarray) -> np.ndarray:
    """Mean of each distribution over 0..classes-1 years.

    Args:
        probabilities: (n, classes), rows sum to 1.

    Returns:
        (n,) float64, years.
    """
    probabilities = np.asarray(probabilities, np.float64)
    return probabilities @ np.arange(probabilities.shape[-1])


def age_spread(probabilities: np.ndarray) -> np.ndarray:
    """Standard deviation of each distribution, (n,) float64 years, at least SMALLEST_SPREAD."""
    probabilities = np.asarray(probabilities, np.float64)
    distance = np.arange(probabilities.shape[-1]) - expected_age(probabilities)[..., None]
    return np.maximum(np.sqrt((probabilities * distance**2).sum(axis=-1)), SMALLEST_SPREAD)


def age_interval(probabilities: np.ndarray, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Central interval of each distribution that holds `level` of its mass, as the model gave it.

    Args:
        probabilities: (n, classes), rows sum to 1.
        level: in (0, 1).

    Returns:
        low, high: (n,) years each, whole numbers. How many true ages lie in [low, high] is
        for `models.calibration` to see to.
    """
    cumulative = np.cumsum(np.asarray(probabilities, np.float64), axis=-1)
    cumulative /= cumulative[..., -1:]
    tail = (1 - level) / 2
    low = (cumulative < tail).sum(axis=-1)
    high = (cumulative < 1 - tail).sum(axis=-1)
    return low, np.minimum(high, cumulative.shape[-1] - 1)
