"""A face held by its looks while no detector sees it: the patch that it was, found again nearby."""

import cv2
import numpy as np

from facecli.crops import Box
from facecli.vision.window import Window

_SIDE, _SEARCHED = 32, 56
"""Pixels a side of a patch and of the window that it is searched in."""
_INNER = 0.9
"""Share of the box that is looked for: less background."""
_FLAT = 1.0
"""Grey levels of standard deviation below which there are no looks."""


class Patch:
    """How a face looked."""

    def __init__(self, grey: np.ndarray, xyxy: Box) -> None:
        """Remembers a box of a (H, W) uint8 picture."""
        self._pixels = Window(grey, xyxy, _INNER, _SIDE).pixels

    def follow(self, grey: np.ndarray, xyxy: Box) -> tuple[np.ndarray, float]:
        """Searches around a box.

        Args:
            grey: (H, W) uint8.
            xyxy: where the face should be, and as large as it should be.

        Returns:
            The box (4,) float64 where it looks most like the patch, and how much: the correlation
            in [-1, 1], 0 for a flat picture.
        """
        expected = np.asarray(xyxy, np.float64)
        # To OpenCV a flat patch is like everything.
        if self._pixels.std() < _FLAT:
            return expected, 0.0
        window = Window(grey, expected, _INNER * _SEARCHED / _SIDE, _SEARCHED)
        scores = cv2.matchTemplate(window.pixels, self._pixels, cv2.TM_CCOEFF_NORMED)
        scores[~np.isfinite(scores)] = 0
        _, best, _, corner = cv2.minMaxLoc(scores)
        moved = (np.array(corner) - (_SEARCHED - _SIDE) / 2) * window.scale
        return expected + np.tile(moved, 2), min(max(float(best), -1.0), 1.0)
