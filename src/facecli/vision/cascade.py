"""One Haar cascade as the live search uses it: sizes, hits, and boxes alike whatever the pose."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from facecli.vision.haar import load_cascade

FRONTAL_FILE = "haarcascade_frontalface_alt2.xml"
PROFILE_FILE = "haarcascade_profileface.xml"
_PROFILE_SHARE, _PROFILE_SHIFT = 0.86, 0.05
"""A profile's box is larger than a frontal one around the same face, and lies to the back of it
(against YuNet's boxes on scene_cuts.mp4)."""


class Sizes(NamedTuple):
    """What is searched for: smallest and largest side in pixels, and the step between two sizes."""

    smallest: int
    largest: int
    step: float


class Cascade:
    """Finds faces of one pose: frontal, or a profile that looks to one side."""

    def __init__(self, path: Path, mirrored: bool = False, profile: bool = False) -> None:
        """Raises CheckpointError when `path` is not a cascade that OpenCV reads."""
        self._classifier, _ = load_cascade(path)
        self._mirrored = mirrored
        self.profile = profile

    def find(self, grey: np.ndarray, sizes: Sizes, neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """Faces in a (H, W) uint8 picture.

        Returns:
            xyxy: (n, 4) float64, as a frontal cascade would draw them.
            hits: (n,) float64, how many windows agreed; at least `neighbors`.
        """
        searched = np.ascontiguousarray(grey[:, ::-1]) if self._mirrored else grey
        boxes, hits = self._classifier.detectMultiScale2(
            searched,
            scaleFactor=sizes.step,
            minNeighbors=neighbors,
            minSize=(sizes.smallest, sizes.smallest),
            maxSize=(sizes.largest, sizes.largest),
        )
        xywh = np.reshape(boxes, (-1, 4)).astype(np.float64)
        xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        if self.profile:
            xyxy = _as_frontal(xyxy)
        if self._mirrored:
            xyxy[:, [0, 2]] = grey.shape[1] - xyxy[:, [2, 0]]
        return xyxy, np.reshape(hits, -1).astype(np.float64)


def _as_frontal(xyxy: np.ndarray) -> np.ndarray:
    """Boxes of faces that look to the left, as large as frontal ones."""
    sides = xyxy[:, 2:] - xyxy[:, :2]
    centres = (xyxy[:, :2] + xyxy[:, 2:]) / 2 - sides * (_PROFILE_SHIFT, 0)
    half = sides * _PROFILE_SHARE / 2
    return np.concatenate([centres - half, centres + half], axis=1)
