"""Which picture is drawn with which faces, while the analysis runs behind or ahead of it."""

from collections import deque
from typing import Protocol

import numpy as np

from facecli.faces import Face
from facecli.stream.capture_thread import Shot
from facecli.stream.shield import Shield
from facecli.stream.worker import Analyzed

Picture = tuple[np.ndarray, tuple[Face, ...]]
"""(H, W, 3) uint8 RGB and the faces to be drawn into it."""


class Overlay(Protocol):
    """Told of every analysed frame, asked at every drawn one."""

    def learn(self, analyzed: Analyzed) -> None: ...
    def picture(self, shot: Shot) -> Picture: ...


class Follower(Protocol):
    """Moves boxes on between analyses: `vision.follow.BoxFollower`."""

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
        while self._waiting and self._waiting[0].shot.frame.time_s <= time_s:
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

    def picture(self, shot: Shot) -> Picture:
        frame = shot.frame
        for analyzed in self._upcoming.due(frame.time_s):
            seen = analyzed.shot.frame
            self._follower.update(analyzed.faces, seen.time_s)
            self._shape = seen.image_rgb.shape
        # Boxes of another size of picture would lie anywhere.
        faces = self._follower.at(frame.time_s) if self._shape == frame.image_rgb.shape else ()
        return frame.image_rgb, tuple(faces)


class CoveredFaces:
    """The last analysed frame, its faces covered; black until there is one.

    A frame that nobody has looked at may show somebody, and is not drawn.
    """

    def __init__(self, shield: Shield) -> None:
        self._shield = shield
        self._upcoming = _Upcoming()
        self._picture: Picture | None = None

    def learn(self, analyzed: Analyzed) -> None:
        self._upcoming.add(analyzed)

    def picture(self, shot: Shot) -> Picture:
        for analyzed in self._upcoming.due(shot.frame.time_s):
            seen = analyzed.shot.frame
            covered = self._shield.cover(seen.image_rgb, analyzed.covered, seen.time_s)
            self._picture = covered, analyzed.faces
        return self._picture or (np.zeros_like(shot.frame.image_rgb), ())
