"""What is read out of probabilities: expected age, interval, folded heads, calibration. NumPy only.

Expectation over a softmax of years: Rothe et al., DEX (IJCV 2018).

A model with both learns and stores the finer one alone. The coarse one is folded from it wherever it is
asked for, after calibration, too, so that the two never contradict each other.

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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facecli.core.arrays import Array
from facecli.core.attributes import CLASS_NAMES, FINER_HEADS, FOLDS
from facecli.core.errors import CheckpointError
from facecli.models.checkpoint import Checkpoint

SMALLEST_SPREAD = 0.5
"""Years. Labels are whole years: no distribution is surer than that."""

LEVEL = 0.9
"""Share of true ages that the interval is meant to hold."""
_SMALLEST = 1e-12


def expected_age(probabilities: Array) -> Array:
    """Mean of each distribution over 0..classes-1 years.

    Args:
        probabilities: (n, classes), rows sum to 1.

    Returns:
        (n,) float64, years.
    """
    probabilities = np.asarray(probabilities, np.float64)
    return probabilities @ np.arange(probabilities.shape[-1])


def age_spread(probabilities: Array) -> Array:
    """Standard deviation of each distribution, (n,) float64 years, at least SMALLEST_SPREAD."""
    probabilities = np.asarray(probabilities, np.float64)
    distance = np.arange(probabilities.shape[-1]) - expected_age(probabilities)[..., None]
    return np.maximum(np.sqrt((probabilities * distance**2).sum(axis=-1)), SMALLEST_SPREAD)


def age_interval(probabilities: Array, level: float = 0.9) -> tuple[Array, Array]:
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


def stored_heads(heads: Sequence[str]) -> tuple[str, ...]:
    """Those that a network must give itself: without what is folded from another of them."""
    return tuple(head for head in heads if FINER_HEADS.get(head) not in heads)


def fold_matrix(head: str) -> Array:
    """(finer classes, classes) float32 zeros and ones: probabilities of the finer head times it are `head`'s.

    Args:
        head: a key of `core.attributes.FINER_HEADS`.
    """
    return np.array([[name == one for one in CLASS_NAMES[head]] for name in FOLDS[head]], np.float32)


def fold_heads(outputs: Mapping[str, Array], heads: Sequence[str]) -> dict[str, Array]:
    """The `heads` in their order, those that have a finer one among them as its sums.

    Args:
        outputs: head -> (n, classes) probabilities of `stored_heads(heads)` at least; what they say of
            a folded head is passed over.
        heads: names.

    Returns:
        Head -> (n, classes) of the type of the finer head's.
    """
    stored = stored_heads(heads)
    return {head: outputs[head] if head in stored else _fold(head, outputs) for head in heads}


def _fold(head: str, outputs: Mapping[str, Array]) -> Array:
    finer = outputs[FINER_HEADS[head]]
    return finer @ fold_matrix(head).astype(finer.dtype)


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

    def interval(self, probabilities: Array) -> tuple[Array, Array]:
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
        lowest_quality: of a face, below which no label of it is believed.
    """

    temperatures: Mapping[str, float] = field(default_factory=dict)
    age: AgeThresholds | None = None
    face_threshold: float | None = None
    uncertain_below: Mapping[str, float] = field(default_factory=dict)
    lowest_quality: float = 0.0

    def apply(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        """Head -> probabilities, those of class heads tempered, then folded; the ages stay as they are."""
        tempered = {
            head: temper(probabilities, self.temperatures[head])
            if head in self.temperatures
            else probabilities
            for head, probabilities in outputs.items()
        }
        return fold_heads(tempered, tuple(outputs))

    def age_interval(self, probabilities: Array) -> tuple[Array, Array]:
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
        if self.lowest_quality:
            config["lowest_quality"] = self.lowest_quality
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
        return _parsed(config, {*CLASS_NAMES, *checkpoint.further})
    except ValueError as error:
        raise CheckpointError(
            f"{checkpoint.folder}/config.json: the calibration is damaged ({error}); "
            "run 'facecli calibrate' or fetch the folder anew"
        ) from error


def _parsed(config: Mapping[str, Any], heads: Collection[str]) -> Calibration:
    temperatures = {head: float(value) for head, value in config["temperatures"].items()}
    for head, value in temperatures.items():
        if head not in heads or not 0 < value < math.inf:
            raise ValueError(f"temperature {value} of '{head}'")
    threshold = config.get("face_threshold")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"face threshold {threshold}")
    uncertain = {head: float(value) for head, value in config.get("uncertain_below", {}).items()}
    for head, value in uncertain.items():
        if head not in heads or not 0 <= value <= 1:
            raise ValueError(f"uncertain below {value} for '{head}'")
    quality = float(config.get("lowest_quality", 0.0))
    if not 0 <= quality <= 1:
        raise ValueError(f"lowest quality {quality}")
    knots = config.get("age_interval")
    if knots is None:
        return Calibration(temperatures, None, threshold, uncertain, quality)
    if knots["level"] != LEVEL:
        raise ValueError(f"age interval of level {knots['level']}, not {LEVEL}")
    lines = (tuple(float(value) for value in knots[key]) for key in ("ages", "low", "high"))
    return Calibration(temperatures, AgeThresholds(*lines), threshold, uncertain, quality)


def temper(probabilities: Array, temperature: float) -> Array:
    """Rows of probabilities softened (above 1) or sharpened (below 1), of the same type.

    Args:
        probabilities: (n, classes), rows sum to 1.
        temperature: above 0.
    """
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), _SMALLEST)) / temperature
    # The largest becomes 1 before anything is summed: no row overflows or vanishes.
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    return (raised / raised.sum(axis=-1, keepdims=True)).astype(probabilities.dtype)
