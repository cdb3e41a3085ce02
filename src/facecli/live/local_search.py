"""A face that was there a moment ago, searched where it should be: by its looks, or by a cascade nearby."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from facecli.core.crops import Box
from facecli.live.search import Cascade, Sizes

_SMALLEST = 4

_PATCH_SIDE, _SEARCHED = 32, 56
"""Pixels a side of a patch and of the window that it is searched in."""
_INNER = 0.9
"""Share of the box that is looked for: less background."""
_FLAT = 1.0
"""Grey levels of standard deviation below which there are no looks."""

_FACE_SIDE = 44
"""Pixels of the side that the face should have in the window; a cascade's smallest are 20."""
_SHARE = 1.6
"""Side of the window in sides of the face."""
_SIZES = Sizes(round(_FACE_SIDE * 0.78), round(_FACE_SIDE * 1.3), 1.15)
_HITS = 1


class SearchWindow:
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


class Patch:
    """How a face looked."""

    def __init__(self, grey: np.ndarray, xyxy: Box) -> None:
        """Remembers a box of a (H, W) uint8 picture."""
        self._pixels = SearchWindow(grey, xyxy, _INNER, _PATCH_SIDE).pixels

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
        window = SearchWindow(grey, expected, _INNER * _SEARCHED / _PATCH_SIDE, _SEARCHED)
        scores = cv2.matchTemplate(window.pixels, self._pixels, cv2.TM_CCOEFF_NORMED)
        scores[~np.isfinite(scores)] = 0
        _, best, _, corner = cv2.minMaxLoc(scores)
        moved = (np.array(corner) - (_SEARCHED - _PATCH_SIDE) / 2) * window.scale
        return expected + np.tile(moved, 2), min(max(float(best), -1.0), 1.0)


class NearbyFace(NamedTuple):
    """Box (4,) float64 in pixels of the picture, hits, and the index of the cascade that saw it."""

    xyxy: np.ndarray
    hits: float
    cascade: int


def find_nearby(
    grey: np.ndarray, xyxy: Box, cascades: Sequence[Cascade], order: Sequence[int]
) -> NearbyFace | None:
    """What the first cascade finds that finds anything, nearest to the middle.

    Args:
        grey: (H, W) uint8.
        xyxy: where the face should be, and as large.
        cascades: all poses.
        order: indices into `cascades`, the likeliest first.
    """
    window = SearchWindow(grey, xyxy, _SHARE, round(_FACE_SIDE * _SHARE))
    for index in order:
        boxes, hits = cascades[index].find(window.pixels, _SIZES, _HITS)
        if len(boxes):
            best = _best(window.to_picture(boxes), hits, np.asarray(xyxy, np.float64))
            return NearbyFace(window.to_picture(boxes)[best], float(hits[best]), index)
    return None


def _best(boxes: np.ndarray, hits: np.ndarray, expected: np.ndarray) -> int:
    """The box with the most hits, discounted by its distance."""
    side = expected[2] - expected[0]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    apart = np.linalg.norm(centres - (expected[:2] + expected[2:]) / 2, axis=-1) / max(side, 1e-9)
    return int(np.argmax(hits * np.exp(-4 * apart)))
