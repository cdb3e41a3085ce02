"""The one number of a head that is explained: years, or the log-odds of a class."""

from dataclasses import dataclass

import numpy as np
from keras import ops

from facecli.faces import FACE_HEADS
from facecli.labels import CLASS_NAMES
from facecli.models.readout import expected_age

HEADS = ("age", *FACE_HEADS)
"""Heads that say what a face is like, in the order in which they are shown."""
_SMALLEST = 1e-30


@dataclass(frozen=True)
class Target:
    """A head and, of a class head, one class.

    Log-odds and not the probability: where a model is sure, a probability hardly moves whatever
    is done to the picture, and its gradient vanishes.

    Attributes:
        head: one of HEADS.
        class_index: None for the age.
    """

    head: str
    class_index: int | None = None

    @property
    def name(self) -> str:
        """What people call it: "age", "female"."""
        return self.head if self.class_index is None else CLASS_NAMES[self.head][self.class_index]

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

        The age is the expectation of its distribution, as `readout.expected_age` reads it.
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


def predicted_target(head: str, probabilities: np.ndarray) -> Target:
    """The age, or the most probable class of (classes,) probabilities."""
    return Target(head, None if head == "age" else int(np.argmax(probabilities)))
