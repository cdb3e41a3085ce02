"""Frames of a video as they are compared: whole ones by their cells, faces by template matching."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from facecli.core.arrays import Array
from facecli.core.crops import Box

WIDTH, HEIGHT = 64, 36
"""Cells of a signature. Averaging over a cell takes the noise of a camera away."""
_STILL = 3.0
"""Grey levels up to which a cell is the same."""
_CUT_DIFFERENCE, _CUT_DECORRELATION = 12.0, 0.5
_CUT_COLOURS = 0.6
"""Share of the picture that has other colours than before."""
_BINS = 4

_SMALLEST = 4

_PATCH_SIDE, _SEARCHED = 32, 56
"""Pixels a side of a patch and of the window that it is searched in."""
_INNER = 0.9
"""Share of the box that is looked for: less background."""
_FLAT = 1.0
"""Grey levels of standard deviation below which there are no looks."""


class FrameSignature:
    """A frame in few cells.

    Attributes:
        cells: (HEIGHT, WIDTH, 3) float32, 0 to 255.
        grey: (HEIGHT, WIDTH) float32.
    """

    def __init__(self, image_rgb: Array) -> None:
        """Looks at a (H, W, 3) uint8 RGB frame."""
        self.shape: tuple[int, ...] = image_rgb.shape
        small = cv2.resize(image_rgb, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        self.cells: Array = small.astype(np.float32)
        self.grey: Array = self.cells.mean(axis=-1)

    def is_cut_from(self, before: "FrameSignature") -> bool:
        """Is it another scene: nothing is where it was, or the colours are others?

        Measured on scene_cuts.mp4: at its cuts the pictures correlate by less than 0.25 and differ
        by 27 grey levels, elsewhere by more than 0.7 and by less than 14.
        """
        if self.shape != before.shape:
            return True
        difference = np.abs(self.grey - before.grey).mean()
        if difference <= _CUT_DIFFERENCE:
            return False
        other_colours = np.abs(self._colours() - before._colours()).sum() / 2
        decorrelation = 1 - _correlation(self.grey, before.grey)
        return bool(decorrelation > _CUT_DECORRELATION or other_colours > _CUT_COLOURS)

    def changed_since(
        self, before: "FrameSignature | None", known: Sequence[Box] = ()
    ) -> tuple[float, float, float, float] | None:
        """The rectangle that holds all change.

        Args:
            before: an earlier frame; all has changed since None or a frame of another size.
            known: boxes, xyxy in pixels, within which change does not count.

        Returns:
            xyxy in fractions of the frame; None when nothing changed.
        """
        if before is None or before.shape != self.shape:
            return 0.0, 0.0, 1.0, 1.0
        changed = np.abs(self.cells - before.cells).max(axis=-1) > _STILL
        for box in known:
            left, top, right, bottom = self._cells_of(box)
            changed[top:bottom, left:right] = False
        if not changed.any():
            return None
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        left, right = columns[0] / WIDTH, (columns[-1] + 1) / WIDTH
        top, bottom = rows[0] / HEIGHT, (rows[-1] + 1) / HEIGHT
        return float(left), float(top), float(right), float(bottom)

    def _cells_of(self, xyxy: Box) -> list[int]:
        height, width = self.shape[:2]
        shares = np.asarray(xyxy, np.float64) / (width, height, width, height)
        return np.rint(np.clip(shares, 0, 1) * (WIDTH, HEIGHT, WIDTH, HEIGHT)).astype(int).tolist()

    def _colours(self) -> Array:
        """Shares of the cells by coarse colour, (_BINS ** 3,), sum 1."""
        levels = (self.cells * (_BINS / 256)).astype(np.int64)
        indices = (levels[..., 0] * _BINS + levels[..., 1]) * _BINS + levels[..., 2]
        return np.bincount(indices.ravel(), minlength=_BINS**3) / indices.size


def _correlation(one: Array, other: Array) -> float:
    """Pearson's, in [-1, 1]; 0 when one of both is flat."""
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / scale if scale > 0 else 0.0


class PreparedFrame:
    """One frame, prepared once for all that search it."""

    def __init__(self, image_rgb: Array, signature: FrameSignature) -> None:
        """Takes a (H, W, 3) uint8 RGB frame and what it is at a signature."""
        self.image_rgb = image_rgb
        self.grey: Array = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
        self.signature = signature


class Detection(NamedTuple):
    """A face that a detector sees.

    Attributes:
        xyxy: (4,) float64 in pixels; it may reach out of the frame.
        score: in [0, 1].
        landmarks, landmark_error: (5, 2) pixels and a number, see `detect.registry.Detections`; None when
            not known.
    """

    xyxy: Array
    score: float
    landmarks: Array | None = None
    landmark_error: float | None = None

    def landmarks_in(self, xyxy: Array) -> Array:
        """The landmarks after the face has moved into another box (4,); NaN when they are not known."""
        if self.landmarks is None:
            return np.full((5, 2), np.nan)
        corner, side = self.xyxy[:2], np.maximum(self.xyxy[2:] - self.xyxy[:2], 1e-6)
        moved = (self.landmarks - corner) / side * (xyxy[2:] - xyxy[:2]) + xyxy[:2]
        return np.asarray(moved, np.float64)


class SearchWindow:
    """The square around a box. What lies outside of the picture repeats its edge.

    Attributes:
        pixels: (size, size) uint8.
        scale: pixels of the picture for one of the window.
    """

    def __init__(self, grey: Array, xyxy: Box, share: float, size: int) -> None:
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
        self.scale: float = side / size
        interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
        square = _square(grey, self._left, self._top, side)
        self.pixels: Array = cv2.resize(square, (size, size), interpolation=interpolation)


def _square(grey: Array, left: int, top: int, side: int) -> Array:
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

    def __init__(self, grey: Array, xyxy: Box) -> None:
        """Remembers a box of a (H, W) uint8 picture."""
        self._pixels = SearchWindow(grey, xyxy, _INNER, _PATCH_SIDE).pixels

    def follow(self, grey: Array, xyxy: Box) -> tuple[Array, float]:
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
