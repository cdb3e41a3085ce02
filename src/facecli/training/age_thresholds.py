"""The age interval is fitted to labelled faces: how far from the expectation true ages lie, by age."""

import numpy as np

from facecli.models.calibration import LEVEL, AgeThresholds
from facecli.models.readout import age_spread, expected_age
from facecli.training.age_bands import AGE_BANDS, age_band_id

FEWEST_IN_BAND = 20
"""The 95th of 100 cannot be told from the largest of fewer."""
_SCALES = np.arange(0.5, 1.5001, 0.01)


def fit_age_thresholds(true_age: np.ndarray, probabilities: np.ndarray) -> AgeThresholds | None:
    """Thresholds whose interval holds LEVEL of all true ages and about as many of every band.

    A knot for each band of true ages, at its mean age: how far, in spreads, the truth lies from
    the expectation at most, below and above, with half of the remaining share on either side.
    As the interval spans all ages that are not refused, it holds a little too many; one factor
    for all knots takes that back.

    Args:
        true_age: (n,) years, all known.
        probabilities: (n, 117).

    Returns:
        The thresholds, or None when no band has FEWEST_IN_BAND faces.
    """
    distance = (true_age - expected_age(probabilities)) / age_spread(probabilities)
    bands, knots = age_band_id(true_age), []
    for index in range(len(AGE_BANDS)):
        part = distance[bands == index]
        if len(part) >= FEWEST_IN_BAND:
            low, high = -_conformal_quantile(-part), _conformal_quantile(part)
            knots.append((true_age[bands == index].mean(), min(low, 0.0), max(high, 0.0)))
    if not knots:
        return None
    ages, low, high = np.array(knots).T
    for scale in _SCALES:
        thresholds = _rounded(ages, low * scale, high * scale)
        first, last = thresholds.interval(probabilities)
        if ((first <= true_age) & (true_age <= last)).mean() >= LEVEL:
            break
    return thresholds


def _conformal_quantile(values: np.ndarray) -> float:
    """What a further value exceeds with probability (1 - LEVEL) / 2 at most; (n,), not empty."""
    rank = int(np.ceil((len(values) + 1) * (1 + LEVEL) / 2))
    return float(np.sort(values)[min(rank, len(values)) - 1])


def _rounded(ages: np.ndarray, low: np.ndarray, high: np.ndarray) -> AgeThresholds:
    return AgeThresholds(*(tuple(values.round(3).tolist()) for values in (ages, low, high)))
