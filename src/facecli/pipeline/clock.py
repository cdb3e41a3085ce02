"""Time in a live picture: when a frame is due, how often one was, and when it is in a recording."""

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
