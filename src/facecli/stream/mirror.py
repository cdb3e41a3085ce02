"""Left and right swapped before anything is drawn: texts stay readable."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from facecli.faces import Face


def mirrored(image_rgb: np.ndarray, faces: Sequence[Face]) -> tuple[np.ndarray, list[Face]]:
    """The picture (H, W, 3) as in a mirror, and the faces where they are then."""
    width = image_rgb.shape[1]
    return cv2.flip(np.ascontiguousarray(image_rgb), 1), [_mirrored_face(face, width) for face in faces]


def _mirrored_face(face: Face, width: int) -> Face:
    left, top, right, bottom = face.box_xyxy
    return replace(face, box_xyxy=(width - right, top, width - left, bottom))
