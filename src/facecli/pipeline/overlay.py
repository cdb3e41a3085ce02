"""Which picture is drawn with which faces, while the analysis runs behind or ahead of it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import cv2
import numpy as np

from facecli.core.faces import Face
from facecli.draw.anonymize import LingeringMask
from facecli.pipeline.threads import Analyzed, TimestampedFrame

Picture = tuple[np.ndarray, tuple[Face, ...]]
"""(H, W, 3) uint8 RGB and the faces to be drawn into it."""


def mirrored(image_rgb: np.ndarray, faces: Sequence[Face]) -> tuple[np.ndarray, list[Face]]:
    """The picture (H, W, 3) as in a mirror, and the faces where they are then."""
    width = image_rgb.shape[1]
    return cv2.flip(np.ascontiguousarray(image_rgb), 1), [_mirrored_face(face, width) for face in faces]


def _mirrored_face(face: Face, width: int) -> Face:
    left, top, right, bottom = face.box_xyxy
    return replace(face, box_xyxy=(width - right, top, width - left, bottom))


class Overlay(Protocol):
    """Told of every analysed frame, asked at every drawn one."""

    def learn(self, analyzed: Analyzed) -> None: ...
    def picture(self, stamped: TimestampedFrame) -> Picture: ...


class Follower(Protocol):
    """Moves boxes on between analyses: `live.tracking.BoxFollower`."""

    def update(self, faces: tuple[Face, ...], time_s: float) -> None: ...
    def at(self, time_s: float) -> list[Face]: ...


class _Upcoming:
    """Analysed frames that wait for their moment: a file is decoded ahead of what is drawn."""

    def __init__(self) -> None:
        self._waiting: deque[Analyzed] = deque()

    def add(self, analyzed: Analyzed) -> None:
        self._waiting.append(analyzed)

    def due(self, time_s: float) -> list[Analyzed]:
        """Those of that time and before, once."""
        found = []
        while self._waiting and self._waiting[0].stamped.frame.time_s <= time_s:
            found.append(self._waiting.popleft())
        return found


class FollowedFaces:
    """Every frame as it comes, with boxes that are moved on from the last analyses."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._upcoming = _Upcoming()
        self._shape: tuple[int, ...] = ()

    def learn(self, analyzed: Analyzed) -> None:
        self._upcoming.add(analyzed)

    def picture(self, stamped: TimestampedFrame) -> Picture:
        frame = stamped.frame
        for analyzed in self._upcoming.due(frame.time_s):
            seen = analyzed.stamped.frame
            self._follower.update(analyzed.faces, seen.time_s)
            self._shape = seen.image_rgb.shape
        # Boxes of another size of picture would lie anywhere.
        faces = self._follower.at(frame.time_s) if self._shape == frame.image_rgb.shape else ()
        return frame.image_rgb, tuple(faces)


class CoveredFaces:
    """The last analysed frame, its faces covered; black until there is one.

    A frame that nobody has looked at may show somebody, and is not drawn.
    """

    def __init__(self, mask: LingeringMask) -> None:
        self._mask = mask
        self._upcoming = _Upcoming()
        self._picture: Picture | None = None

    def learn(self, analyzed: Analyzed) -> None:
        self._upcoming.add(analyzed)

    def picture(self, stamped: TimestampedFrame) -> Picture:
        for analyzed in self._upcoming.due(stamped.frame.time_s):
            seen = analyzed.stamped.frame
            covered = self._mask.cover(seen.image_rgb, analyzed.covered, seen.time_s)
            self._picture = covered, analyzed.faces
        return self._picture or (np.zeros_like(stamped.frame.image_rgb), ())
