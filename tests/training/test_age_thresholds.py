"""Thresholds of the age interval: none without faces, and none where there are a handful."""

import numpy as np

from facecli.training.calibrate import fit_age_thresholds


def faces(count, seed=0):
    """True ages, and distributions around them that are a little too narrow."""
    random = np.random.default_rng(seed)
    true = np.clip(random.normal(35, 20, count), 1, 95).astype(int)
    mean = np.clip(true + random.normal(0, 6, count), 0, 116)
    weights = np.exp(-(((np.arange(117) - mean[:, None]) / 4) ** 2) / 2)
    return true, weights / weights.sum(axis=1, keepdims=True)


def test_a_handful_of_faces_gives_no_thresholds():
    true, said = faces(400)
    assert fit_age_thresholds(true[:0], said[:0]) is None
    assert fit_age_thresholds(true[:5], said[:5]) is None


def test_bands_with_a_handful_of_faces_have_no_knot():
    true, said = faces(400)
    young = true < 60
    assert max(fit_age_thresholds(true[young], said[young]).ages) < 60


def test_the_interval_holds_nine_of_ten():
    true, said = faces(2000)
    low, high = fit_age_thresholds(true, said).interval(said)
    assert 0.88 < ((low <= true) & (true <= high)).mean() < 0.92
