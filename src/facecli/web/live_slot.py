"""Between a viewer and the workers: a place for one frame, and a measure of how many may come."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from facecli.web.live_protocol import LiveFrame


class Taken(NamedTuple):
    """A frame to be analysed, when it came (seconds, rising), and how many before it nobody took."""

    frame: LiveFrame
    time_s: float
    dropped: int


class NewestFrame:
    """Holds the newest frame only; given by the event loop, taken by a worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[LiveFrame, float] | None = None
        self._dropped = 0

    def put(self, frame: LiveFrame) -> None:
        """Replaces the frame that lies there."""
        with self._lock:
            self._dropped += self._held is not None
            self._held = frame, self._clock()

    def take(self) -> Taken | None:
        """The newest frame, once; None when it was taken already."""
        with self._lock:
            if self._held is None:
                return None
            taken = Taken(*self._held, self._dropped)
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
