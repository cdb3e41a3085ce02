"""How a live picture is played: when a frame is due, how often one was, and with which faces it is drawn."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from facecli.core.arrays import Array
from facecli.core.faces import Face
from facecli.draw.anonymize import LingeringMask
from facecli.pipeline.threads import Analyzed, TimestampedFrame

_LATE_S = 0.25
_WINDOW_S = 2.0


class Clock(NamedTuple):
    """Seconds that only grow, and a way to let some pass; tests bring their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Pacer:
    """Plays a file at its own rate. Who is late is not hurried by leaving frames out."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._origin_s: float | None = None

    def due_in(self, time_s: float) -> float:
        """Seconds until the frame of that time is to be drawn; 0 or less is at once."""
        if self._origin_s is None:
            self._origin_s = self._now() - time_s
        left_s = self._origin_s + time_s - self._now()
        if left_s < -_LATE_S:
            # Beyond a hiccup: go on from here, at the right rate, a little later.
            self._origin_s -= left_s
        return left_s

    def restart(self) -> None:
        """The next frame is due at once, as after a pause."""
        self._origin_s = None


class RecordingClock:
    """Moments of a live picture -> moments of its recording, in which nothing stands still.

    What a pause or a lost camera missed is left out.
    """

    def __init__(self, fps: float, most_s: float = 1.0) -> None:
        """Gaps of more than `most_s` seconds are left out; one frame at `fps` stands for them."""
        self._step_s, self._most_s = 1 / fps, most_s
        self._last_s: float | None = None
        self._recorded_s, self._restarted = 0.0, False

    def time_s(self, now_s: float) -> float:
        """Seconds from the first frame of the recording."""
        if self._last_s is not None:
            gap_s = now_s - self._last_s
            seen = not self._restarted and 0 <= gap_s <= self._most_s
            self._recorded_s += gap_s if seen else self._step_s
        self._last_s, self._restarted = now_s, False
        return self._recorded_s

    def restart(self) -> None:
        """What was missed until the next frame is left out, as after a pause."""
        self._restarted = True


class RateMeter:
    """How often something happens a second, over the last two seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._moments: deque[float] = deque()

    def mark(self) -> None:
        """It happened."""
        self._moments.append(self._now())

    def rate(self) -> float:
        """Times a second; 0 until it happened twice."""
        while self._moments and self._moments[0] < self._now() - _WINDOW_S:
            self._moments.popleft()
        if len(self._moments) < 2:
            return 0.0
        return (len(self._moments) - 1) / max(self._moments[-1] - self._moments[0], 1e-6)


Picture = tuple[Array, tuple[Face, ...]]
"""(H, W, 3) uint8 RGB and the faces to be drawn into it."""


def mirrored(image_rgb: Array, faces: Sequence[Face]) -> tuple[Array, list[Face]]:
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
