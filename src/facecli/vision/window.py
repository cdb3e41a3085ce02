"""A square of a grey picture at a handy size, and the way back to the picture's own pixels."""

import cv2
import numpy as np

from facecli.crops import Box

_SMALLEST = 4


class Window:
    """The square around a box. What lies outside of the picture repeats its edge.

    Attributes:
        pixels: (size, size) uint8.
        scale: pixels of the picture for one of the window.
    """

    def __init__(self, grey: np.ndarray, xyxy: Box, share: float, size: int) -> None:
        """Cuts and resizes.

        Args:
            grey: (H, W) uint8.
            xyxy: the box; its longer side counts, and it may reach out of the picture.
            share: side of the square in sides of the box.
            size: of the result in pixels.
        """
        x_min, y_min, x_max, y_max = (float(value) for value in xyxy)
        side = max(round(max(x_max - x_min, y_max - y_min) * share), _SMALLEST)
        self._left, self._top = round((x_min + x_max - side) / 2), round((y_min + y_max - side) / 2)
        self.scale = side / size
        interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
        square = _square(grey, self._left, self._top, side)
        self.pixels = cv2.resize(square, (size, size), interpolation=interpolation)

    def to_picture(self, xyxy: np.ndarray) -> np.ndarray:
        """Boxes (n, 4) of the window as boxes of the picture, float64."""
        corner = self._left, self._top
        return np.asarray(xyxy, np.float64) * self.scale + np.array([*corner, *corner], np.float64)


def _square(grey: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    height, width = grey.shape
    # A square that lies all outside is drawn to the border: an empty cut has no edge to repeat.
    left, top = min(max(left, 1 - side), width - 1), min(max(top, 1 - side), height - 1)
    inside = grey[max(top, 0) : top + side, max(left, 0) : left + side]
    if inside.shape == (side, side):
        return inside
    above, before = max(-top, 0), max(-left, 0)
    below, after = side - above - inside.shape[0], side - before - inside.shape[1]
    return cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_REPLICATE)
