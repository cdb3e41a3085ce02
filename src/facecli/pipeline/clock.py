"""Time in a live picture: when a frame is due, how often one was, how many fill a video."""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

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


class FrameRateEstimate:
    """How often each frame of a camera goes into a video of constant rate, so that it plays in real time.

    A camera's rate wanders and frames are missed; a file would play too fast for it.
    """

    def __init__(self, fps: float, most_s: float = 1.0) -> None:
        """Fills gaps of `most_s` seconds at most: what a lost camera missed is left out."""
        self._fps = fps
        self._most = max(1, round(fps * most_s))
        self._origin_s: float | None = None
        self._written = 0

    def copies(self, time_s: float) -> int:
        """0: leave the frame out; above 1: repeat it."""
        if self._origin_s is None:
            self._origin_s = time_s - self._written / self._fps
        due = int((time_s - self._origin_s) * self._fps + 0.5) + 1 - self._written
        if due > self._most:
            self._origin_s, due = None, 1
        copies = max(0, due)
        self._written += copies
        return copies

    def restart(self) -> None:
        """What was missed until now is not filled, as after a pause."""
        self._origin_s = None


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
