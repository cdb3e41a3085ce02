"""Between a viewer and the workers: a place for one frame, and a measure of how many may come."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from facecli.web.live_protocol import LiveFrame


class Taken(NamedTuple):
    """A frame to be analysed.

    Attributes:
        time_s: when it came, seconds, rising.
        dropped: how many before it nobody took.
        anew: it has nothing to do with the frames before it.
    """

    frame: LiveFrame
    time_s: float
    dropped: int
    anew: bool


class NewestFrame:
    """Holds the newest frame only; given by the event loop, taken by a worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[LiveFrame, float, bool] | None = None
        self._dropped = 0
        self._anew = False

    def begin_anew(self) -> None:
        """What is put from now on has nothing to do with what was put before.

        Frames carry it, not workers: one that was called for an earlier frame may take a later one.
        """
        with self._lock:
            self._anew = True

    def put(self, frame: LiveFrame) -> None:
        """Replaces the frame that lies there."""
        with self._lock:
            if self._held is not None:
                self._dropped += 1
                self._anew |= self._held[2]
            self._held, self._anew = (frame, self._clock(), self._anew), False

    def take(self) -> Taken | None:
        """The newest frame, once; None when it was taken already."""
        with self._lock:
            if self._held is None:
                return None
            frame, time_s, anew = self._held
            taken = Taken(frame, time_s, self._dropped, anew)
            self._held, self._dropped = None, 0
            return taken


class Bucket:
    """Lets `burst` through at once and `per_s` in the long run."""

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._left, self._last_s = float(burst), clock()

    def take(self) -> bool:
        """May one more come now?"""
        now_s = self._clock()
        self._left = min(self._burst, self._left + (now_s - self._last_s) * self._per_s)
        self._last_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
