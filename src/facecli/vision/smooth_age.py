"""A person's age from many frames: a robust mean, and an interval that narrows, but not for ever."""

import math

import numpy as np

from facecli.labels import MAX_AGE_YEARS

_NEAR_YEARS = 6.0
"""Frames farther from the median do not count: blinks, hands, turned heads."""
_BINS_A_YEAR = 2
_HALF_LIFE_S = 60.0
_LOOKS_A_SECOND = 2.0
"""Frames that follow each other say the same; what is new in a second counts as so many frames."""
_FLOOR = 0.8
"""The interval never becomes narrower than this share of a single frame's: most of a model's error
is about the person, stays in every frame, and does not average out."""
_LEAST_YEARS = 1.0
_PLAY_YEARS = 2.0
"""What is shown stays while the evidence is no farther from it: its interval is many times as wide."""
_FOLLOWING_S = 2.0
"""Time in which what is shown goes most of the way to the evidence."""


class AgeEvidence:
    """Ages seen so far, as a histogram whose older part fades: memory does not grow.

    The evidence says the mean of what lies within _NEAR_YEARS of the median, each frame weighted
    by its certainty, 1 / (width of its interval) ** 2. The age that is shown follows it calmly.
    The interval reaches as far from that mean as the frames' intervals did from their ages on
    average, times `_FLOOR + (1 - _FLOOR) / sqrt(looks)`, at least _LEAST_YEARS, and is stretched to
    hold the age that is shown.
    """

    def __init__(self) -> None:
        """Has seen nothing yet."""
        bins = MAX_AGE_YEARS * _BINS_A_YEAR + 1
        self.count = 0
        self._weights = np.zeros(bins)
        self._ages = np.zeros(bins)
        self._reach = np.zeros(2)
        self._range = math.inf, -math.inf
        self._looks = 1.0
        self._shown = 0.0

    def add(
        self, age_years: float, interval: tuple[float, float] | None, trust: float, passed_s: float
    ) -> None:
        """Takes a frame.

        Args:
            age_years: what the model says.
            interval: its low and high, around the age; None is the age alone.
            trust: above 0.
            passed_s: since the last frame, 0 or more.
        """
        low, high = interval or (age_years, age_years)
        weight = trust / max(high - low, 2 * _LEAST_YEARS) ** 2
        fading = 0.5 ** (passed_s / _HALF_LIFE_S)
        for faded in (self._weights, self._ages, self._reach):
            faded *= fading
        index = round(min(max(age_years, 0.0), MAX_AGE_YEARS) * _BINS_A_YEAR)
        self._weights[index] += weight
        self._ages[index] += weight * age_years
        self._reach += weight * np.array([max(age_years - low, 0.0), max(high - age_years, 0.0)])
        self._range = min(self._range[0], age_years), max(self._range[1], age_years)
        self._looks += passed_s * _LOOKS_A_SECOND
        self._show(passed_s)
        self.count += 1

    def estimate(self) -> tuple[float, tuple[int, int]]:
        """Age in years and its interval, whole years within the labels' range; after a frame only."""
        mean, age = self._mean(), self._shown
        share = _FLOOR + (1 - _FLOOR) / math.sqrt(self._looks)
        below, above = np.maximum(self._reach / self._weights.sum() * share, _LEAST_YEARS)
        low = math.floor(round(min(mean - below, age), 6))
        high = math.ceil(round(max(mean + above, age), 6))
        return age, (max(low, 0), min(high, MAX_AGE_YEARS))

    def _show(self, passed_s: float) -> None:
        mean = self._mean()
        if not self.count:
            self._shown = mean
        calm = min(max(self._shown, mean - _PLAY_YEARS), mean + _PLAY_YEARS)
        self._shown += (1 - math.exp(-passed_s / _FOLLOWING_S)) * (calm - self._shown)

    def _mean(self) -> float:
        """The robust mean, within the range of the ages seen."""
        median = int(np.searchsorted(np.cumsum(self._weights), self._weights.sum() / 2))
        reach = round(_NEAR_YEARS * _BINS_A_YEAR)
        near = slice(max(median - reach, 0), median + reach + 1)
        mean = float(self._ages[near].sum() / self._weights[near].sum())
        return min(max(mean, self._range[0]), self._range[1])
