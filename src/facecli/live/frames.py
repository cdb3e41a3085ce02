"""Frames as the live search sees them: what changed since another one, what a detector gets and gives."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from facecli.core.crops import Box

WIDTH, HEIGHT = 64, 36
"""Cells of a signature. Averaging over a cell takes the noise of a camera away."""
_STILL = 3.0
"""Grey levels up to which a cell is the same."""
_CUT_DIFFERENCE, _CUT_DECORRELATION = 12.0, 0.5
_CUT_COLOURS = 0.6
"""Share of the picture that has other colours than before."""
_BINS = 4


class FrameSignature:
    """A frame in few cells.

    Attributes:
        cells: (HEIGHT, WIDTH, 3) float32, 0 to 255.
        grey: (HEIGHT, WIDTH) float32.
    """

    def __init__(self, image_rgb: np.ndarray) -> None:
        """Looks at a (H, W, 3) uint8 RGB frame."""
        self.shape = image_rgb.shape
        small = cv2.resize(image_rgb, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        self.cells = small.astype(np.float32)
        self.grey = self.cells.mean(axis=-1)

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

    def _colours(self) -> np.ndarray:
        """Shares of the cells by coarse colour, (_BINS ** 3,), sum 1."""
        levels = (self.cells * (_BINS / 256)).astype(np.int64)
        indices = (levels[..., 0] * _BINS + levels[..., 1]) * _BINS + levels[..., 2]
        return np.bincount(indices.ravel(), minlength=_BINS**3) / indices.size


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's, in [-1, 1]; 0 when one of both is flat."""
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / scale if scale > 0 else 0.0


class PreparedFrame:
    """One frame, prepared once for all that search it."""

    def __init__(self, image_rgb: np.ndarray, signature: FrameSignature) -> None:
        """Takes a (H, W, 3) uint8 RGB frame and what it is at a signature."""
        self.image_rgb = image_rgb
        self.grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
        self.signature = signature


class ExpectedFace(NamedTuple):
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


class Detection(NamedTuple):
    """A face that a detector sees.

    Attributes:
        xyxy: (4,) float64 in pixels; it may reach out of the frame.
        score: in [0, 1].
        sure: it is a face even if nothing is known of that place.
        pose: index of the cascade that saw it; 0 is frontal.
        landmarks: (5, 2) pixels, see `detect.registry.Detections`; None when not known.
    """

    xyxy: np.ndarray
    score: float
    sure: bool = True
    pose: int = 0
    landmarks: np.ndarray | None = None

    def landmarks_in(self, xyxy: np.ndarray) -> np.ndarray:
        """The landmarks after the face has moved into another box (4,); NaN when they are not known."""
        if self.landmarks is None:
            return np.full((5, 2), np.nan)
        corner, side = self.xyxy[:2], np.maximum(self.xyxy[2:] - self.xyxy[:2], 1e-6)
        moved = (self.landmarks - corner) / side * (xyxy[2:] - xyxy[:2]) + xyxy[:2]
        return np.asarray(moved, np.float64)
