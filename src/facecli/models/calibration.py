"""What makes a model's probabilities mean what they say. NumPy only.

Class heads: one temperature each (Guo et al., "On Calibration of Modern Neural Networks", 2017);
p ** (1/T), normalised, is the softmax of logits / T. It changes no order, hence no label. A head that is
folded from a finer one (`folds`) has none of its own: it is the sum of the finer one's tempered ones.

Age: an interval by label-conditional conformal prediction (Vovk et al. 2005; Sadinle et al. 2019).
Old faces are taken for younger ones, so that an interval which holds 90 % of all true ages may
hold few of the old ones. Therefore each true age has thresholds of its own: the interval spans
all ages a with low(a) <= (a - expected) / spread <= high(a), where low and high are straight
lines between a handful of knots. Both ends grow with the expectation, and it lies between them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facecli.errors import CheckpointError
from facecli.labels import CLASS_NAMES
from facecli.models.checkpoint import Checkpoint
from facecli.models.folds import folded
from facecli.models.readout import age_interval, age_spread, expected_age

LEVEL = 0.9
"""Share of true ages that the interval is meant to hold."""
_SMALLEST = 1e-12


@dataclass(frozen=True)
class AgeThresholds:
    """Knots of the two lines.

    Attributes:
        ages: years, strictly increasing; beyond the first and last the lines are level.
        low: 0 or less; in spreads of the age distribution.
        high: 0 or more.
    """

    ages: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raises ValueError when the knots are no lines or exclude the expectation."""
        if not self.ages or not len(self.ages) == len(self.low) == len(self.high):
            raise ValueError("ages, low and high are not of one length")
        if not all(math.isfinite(value) for value in (*self.ages, *self.low, *self.high)):
            raise ValueError("a threshold is not a finite number")
        if any(later <= earlier for earlier, later in zip(self.ages, self.ages[1:], strict=False)):
            raise ValueError("ages do not increase")
        if max(self.low) > 0 or min(self.high) < 0:
            raise ValueError("a low threshold is above 0 or a high one below")

    def interval(self, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last whole year inside, (n,) each, for (n, classes) age distributions."""
        expected, spread = expected_age(probabilities), age_spread(probabilities)
        years = np.arange(probabilities.shape[-1])
        distance = (years - expected[..., None]) / spread[..., None]
        inside = (np.interp(years, self.ages, self.low) <= distance) & (
            distance <= np.interp(years, self.ages, self.high)
        )
        # A distribution on one year alone has no other year inside, but that one.
        inside |= years == np.rint(expected)[..., None]
        return inside.argmax(axis=-1), len(years) - 1 - inside[..., ::-1].argmax(axis=-1)


@dataclass(frozen=True)
class Calibration:
    """What a model's probabilities mean. Without any of it, what the model itself says.

    Attributes:
        temperatures: by class head; that of a head which is folded from a finer one counts for nothing.
        age: thresholds of the 90 % interval.
        face_threshold: probability of a face below which there is none.
        uncertain_below: by class head, the confidence below which no label is better than one.
    """

    temperatures: Mapping[str, float] = field(default_factory=dict)
    age: AgeThresholds | None = None
    face_threshold: float | None = None
    uncertain_below: Mapping[str, float] = field(default_factory=dict)

    def apply(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Head -> probabilities, those of class heads tempered, then folded; the ages stay as they are."""
        tempered = {
            head: temper(probabilities, self.temperatures[head])
            if head in self.temperatures
            else probabilities
            for head, probabilities in outputs.items()
        }
        return folded(tempered, tuple(outputs))

    def age_interval(self, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last year, (n,) each, of the 90 % interval of (n, classes) age distributions."""
        if self.age is None:
            return age_interval(probabilities, LEVEL)
        return self.age.interval(probabilities)

    def to_config(self) -> dict[str, Any]:
        """What `config.json` holds under "calibration"."""
        config: dict[str, Any] = {"temperatures": dict(self.temperatures)}
        if self.age is not None:
            config["age_interval"] = {
                "level": LEVEL,
                "ages": list(self.age.ages),
                "low": list(self.age.low),
                "high": list(self.age.high),
            }
        if self.face_threshold is not None:
            config["face_threshold"] = self.face_threshold
        if self.uncertain_below:
            config["uncertain_below"] = dict(self.uncertain_below)
        return config


IDENTITY = Calibration()


def load_calibration(checkpoint: Checkpoint) -> Calibration:
    """The calibration in a checkpoint's config; IDENTITY for a model that has none.

    Raises CheckpointError, naming the file, for values that cannot be.
    """
    config = checkpoint.config.get("calibration")
    if config is None:
        return IDENTITY
    try:
        if wrong := checkpoint.wrong_in_calibration():
            raise ValueError(wrong)
        return _parsed(config)
    except ValueError as error:
        raise CheckpointError(
            f"{checkpoint.folder}/config.json: the calibration is damaged ({error}); "
            "run 'facecli calibrate' or fetch the folder anew"
        ) from error


def _parsed(config: Mapping[str, Any]) -> Calibration:
    temperatures = {head: float(value) for head, value in config["temperatures"].items()}
    for head, value in temperatures.items():
        if head not in CLASS_NAMES or not 0 < value < math.inf:
            raise ValueError(f"temperature {value} of '{head}'")
    threshold = config.get("face_threshold")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"face threshold {threshold}")
    uncertain = {head: float(value) for head, value in config.get("uncertain_below", {}).items()}
    for head, value in uncertain.items():
        if head not in CLASS_NAMES or not 0 <= value <= 1:
            raise ValueError(f"uncertain below {value} for '{head}'")
    knots = config.get("age_interval")
    if knots is None:
        return Calibration(temperatures, None, threshold, uncertain)
    if knots["level"] != LEVEL:
        raise ValueError(f"age interval of level {knots['level']}, not {LEVEL}")
    lines = (tuple(float(value) for value in knots[key]) for key in ("ages", "low", "high"))
    return Calibration(temperatures, AgeThresholds(*lines), threshold, uncertain)


def temper(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Rows of probabilities softened (above 1) or sharpened (below 1), of the same type.

    Args:
        probabilities: (n, classes), rows sum to 1.
        temperature: above 0.
    """
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), _SMALLEST)) / temperature
    # The largest becomes 1 before anything is summed: no row overflows or vanishes.
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    return (raised / raised.sum(axis=-1, keepdims=True)).astype(probabilities.dtype)
