"""Bands of true ages, and how many ages of each lie in their interval."""

import numpy as np

from facecli.models.calibration import IDENTITY, Calibration

AGE_BANDS = ("0-12", "13-19", "20-39", "40-59", "60-69", "70+")
"""Bands of tables and intervals: children and the old stand apart."""
_BAND_STARTS = np.array([0, 13, 20, 40, 60, 70])


def interval_metrics(true_age: np.ndarray, probabilities: np.ndarray, calibration: Calibration) -> dict:
    """How many of (n,) true ages, all known, lie in their 90 % interval, in [0, 1].

    Returns:
        coverage_90; coverage_90_raw, of the model's own interval; coverage_90_by_band, band ->
        share, bands of true ages, those without any left out; width_90, its mean width in years.
    """
    low, high = calibration.age_interval(probabilities)
    raw_low, raw_high = IDENTITY.age_interval(probabilities)
    inside, bands = (low <= true_age) & (true_age <= high), age_band_id(true_age)
    return {
        "coverage_90": float(inside.mean()),
        "coverage_90_raw": float(((raw_low <= true_age) & (true_age <= raw_high)).mean()),
        "coverage_90_by_band": {
            name: float(inside[bands == index].mean())
            for index, name in enumerate(AGE_BANDS)
            if (bands == index).any()
        },
        "width_90": float((high - low).mean()),
    }


def age_band_id(true_age: np.ndarray) -> np.ndarray:
    """Index into AGE_BANDS of each age in years; -1 where it is missing."""
    return np.searchsorted(_BAND_STARTS, true_age, side="right") - 1
