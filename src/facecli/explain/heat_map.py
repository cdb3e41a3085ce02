"""A heat map: how much each pixel of a crop did for or against a score."""

from dataclasses import dataclass

import cv2
import numpy as np

_SMOOTH_SHARE = 1 / 40


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
