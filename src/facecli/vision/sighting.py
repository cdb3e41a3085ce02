"""What a detector of live pictures gets and gives."""

from typing import NamedTuple

import cv2
import numpy as np

from facecli.vision.glance import Glance


class Look:
    """One frame, prepared once for all that search it."""

    def __init__(self, image_rgb: np.ndarray, glance: Glance) -> None:
        """Takes a (H, W, 3) uint8 RGB frame and what it is at a glance."""
        self.image_rgb = image_rgb
        self.grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
        self.glance = glance


class Known(NamedTuple):
    """A face that should be there.

    Attributes:
        xyxy: (4,) float64 in pixels.
        pose: in which it was seen last.
        misses: how often it was searched in vain since then.
        seen: it is there in this frame for certain; it need not be searched.
    """

    xyxy: np.ndarray
    pose: int = 0
    misses: int = 0
    seen: bool = False


class Sighting(NamedTuple):
    """A face that a detector sees.

    Attributes:
        xyxy: (4,) float64 in pixels; it may reach out of the frame.
        score: in [0, 1].
        sure: it is a face even if nothing is known of that place.
        pose: index of the cascade that saw it; 0 is frontal.
    """

    xyxy: np.ndarray
    score: float
    sure: bool = True
    pose: int = 0
