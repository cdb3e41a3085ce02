"""A heat map: how much each pixel of a crop did for or against a score."""

from dataclasses import dataclass

import cv2
import numpy as np
from keras import ops

from facecli.core.attributes import CLASS_NAMES, FACE_HEADS
from facecli.models.readout import expected_age

HEADS = ("age", *FACE_HEADS)
"""Heads that say what a face is like, in the order in which they are shown."""
_SMALLEST = 1e-30

_SMOOTH_SHARE = 1 / 40


@dataclass(frozen=True)
class Target:
    """A head and, of a class head, one class.

    Log-odds and not the probability: where a model is sure, a probability hardly moves whatever
    is done to the picture, and its gradient vanishes.

    Attributes:
        head: of the network.
        class_index: None for the age.
        classes: names of the head's; of one that facecli knows they need not be given.
    """

    head: str
    class_index: int | None = None
    classes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What people call it: "age", "female"."""
        if self.class_index is None:
            return self.head
        return (self.classes or CLASS_NAMES[self.head])[self.class_index]

    @property
    def unit(self) -> str:
        """Of the score."""
        return "years" if self.class_index is None else "log-odds"

    @property
    def ends(self) -> tuple[str, str]:
        """What a negative and a positive value of a heat map mean."""
        if self.class_index is None:
            return "younger", "older"
        return f"against {self.name}", f"for {self.name}"

    def score(self, outputs):
        """(n,) of a tensor of the head's probabilities (n, classes); differentiable.

        The age is the expectation of its distribution, as `models.readout.expected_age` reads it.
        """
        if self.class_index is None:
            years = ops.arange(outputs.shape[-1], dtype="float32")
            return ops.sum(outputs * years, axis=-1)
        chosen = np.arange(outputs.shape[-1]) == self.class_index
        others = ops.sum(outputs * (~chosen).astype(np.float32), axis=-1)
        # Sum of the others, not 1 - p: that would be 0 in float32 where a model is sure.
        return ops.log(outputs[:, self.class_index] + _SMALLEST) - ops.log(others + _SMALLEST)

    def value(self, probabilities: np.ndarray) -> np.ndarray:
        """What people read of (n, classes) probabilities: years, or the class's probability; (n,)."""
        if self.class_index is None:
            return expected_age(probabilities)
        return probabilities[:, self.class_index]

    def order(self, values: np.ndarray) -> np.ndarray:
        """A heat map as numbers that are larger the hotter a pixel is.

        What speaks for a class is hot; an age is driven by what makes older and by what makes younger.
        """
        return np.abs(values) if self.class_index is None else values


def predicted_target(head: str, probabilities: np.ndarray, classes: tuple[str, ...] = ()) -> Target:
    """The age, or the most probable class of (classes,) probabilities; `classes` as `Target` has them."""
    return Target(head, None if head == "age" else int(np.argmax(probabilities)), classes)


@dataclass(frozen=True)
class HeatMap:
    """Values of the pixels of a crop.

    Attributes:
        values: (h, w) float32.
        signed: negative values speak against; otherwise there are none.
        additive: (score of the reference, score of the crop) when the values share out the
            difference between them, in the score's unit; None when they are relative only.
    """

    values: np.ndarray
    signed: bool = True
    additive: tuple[float, float] | None = None

    @property
    def residual(self) -> float | None:
        """What of an additive map's difference its values miss, in the score's unit."""
        if self.additive is None:
            return None
        before, after = self.additive
        return (after - before) - float(self.values.sum(dtype=np.float64))


def over_pixels(attributions: np.ndarray) -> np.ndarray:
    """(h, w, 3) attributions summed over the colours and smoothed over the neighbours, (h, w).

    Neighbouring pixels share what they show, and single ones are noise. The sum stays.
    """
    values = attributions.sum(axis=-1, dtype=np.float64)
    sigma = max(values.shape) * _SMOOTH_SHARE
    # This border counts no pixel more often than another: that keeps the sum.
    return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT).astype(np.float32)
