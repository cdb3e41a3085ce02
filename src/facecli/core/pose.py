"""Which way a head is turned, from the landmarks of its face. Standard library only.

Eyes and mouth lie about in a plane, the tip of the nose before it: turned to a side or nodding, the head
moves the nose against them. A rough measure: noses differ, and no camera is known.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

NOSE_AT, NOSE_DEPTH = 0.595, 0.37
"""Of the way from the eyes down to the mouth: where the nose of an upright face lies (median of chips), and
how far before it (factorization of 400 faces; Tomasi & Kanade 1992)."""
_HALF_READ, _SMALL = 0.1, 3.0
"""Error of landmarks, and pixels from eye to eye, at which a face's quality is half of what it could be."""


class HeadPose(NamedTuple):
    """Degrees.

    Attributes:
        roll: in the picture's plane, in (-180, 180]; 0 upright, positive clockwise.
        yaw: to a side, in [-90, 90]; positive when the nose points to the viewer's right.
        pitch: in [-90, 90]; positive when the nose points up.
    """

    roll: float
    yaw: float
    pitch: float


def face_quality(landmarks: Sequence[Sequence[float]], landmark_error: float) -> float:
    """How well a face can be read, in [0, 1]: less for small, blurred, hidden, and turned faces.

    Where landmarks can hardly be told, labels are wrong more often, and more so than size or pose alone say
    (benchmarks/quality.md).

    Args:
        landmarks: five x and y in pixels.
        landmark_error: how far off they are expected to be, in distances between the eyes.
    """
    (left_x, left_y), (right_x, right_y), _, *mouth = landmarks
    across = math.hypot(right_x - left_x, right_y - left_y)
    down = math.hypot(
        sum(x for x, _ in mouth) / 2 - (left_x + right_x) / 2,
        sum(y for _, y in mouth) / 2 - (left_y + right_y) / 2,
    )
    # Of a head that is turned the eyes lie near each other, of one that nods eyes and mouth do.
    side = max(across, down)
    return side / (side + _SMALL) / (1 + (landmark_error / _HALF_READ) ** 2)


def head_pose(landmarks: Sequence[Sequence[float]]) -> HeadPose:
    """The pose of a head.

    Args:
        landmarks: five x and y in pixels, see `detect.registry.Detections`.
    """
    (left_x, left_y), (right_x, right_y), (nose_x, nose_y), *mouth = landmarks
    eyes_x, eyes_y = (left_x + right_x) / 2, (left_y + right_y) / 2
    down_x = sum(x for x, _ in mouth) / 2 - eyes_x
    down_y = sum(y for _, y in mouth) / 2 - eyes_y
    # Eyes alone are a short line: from them down to the mouth is another, at a right angle.
    roll = math.atan2(right_y - left_y - down_x, right_x - left_x + down_y)
    length = max(math.hypot(down_x, down_y), 1e-6)
    # Along the line from the eyes to the mouth, and across it.
    along = ((nose_x - eyes_x) * down_x + (nose_y - eyes_y) * down_y) / length**2
    across = ((nose_x - eyes_x) * down_y - (nose_y - eyes_y) * down_x) / length**2
    yaw = math.asin(min(max(across / NOSE_DEPTH, -1.0), 1.0))
    pitch = math.atan((NOSE_AT - along) / NOSE_DEPTH)
    return HeadPose(*(math.degrees(angle) for angle in (roll, yaw, pitch)))
