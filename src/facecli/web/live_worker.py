"""Between a live viewer and the workers: a place for the newest frame, a token bucket, and the work."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2

from facecli.core.faces import Face
from facecli.infer.analyzer import Analyzer
from facecli.live.analyzer import build_live_analyzer
from facecli.web.live_protocol import UNSUPPORTED, LiveFrame, LiveLimits, LiveProblem, decode_frame, face_rows

log = logging.getLogger(__name__)


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


class TokenBucket:
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


class LiveWorker:
    """Who is in one viewer's frames. One thread at a time may use it."""

    def __init__(self, analyzer: Analyzer, slot: NewestFrame, limits: LiveLimits, with_heads: bool) -> None:
        """Begins with nobody known.

        Args:
            analyzer: with a detector of its own.
            slot: where the viewer's frames lie.
            limits: of a frame.
            with_heads: say also where the whole heads are.
        """
        self._live = build_live_analyzer(analyzer)
        self._slot, self._limits, self._with_heads = slot, limits, with_heads
        self._last_s = float("-inf")

    def work(self) -> dict[str, Any] | None:
        """The answer to the newest frame; None when there is none. Raises LiveProblem."""
        taken = self._slot.take()
        if taken is None:
            return None
        if taken.anew:
            self._live.reset()
        start_s = time.perf_counter()
        faces, size = self._look(taken)
        return {
            "type": "faces",
            "frame": taken.frame.number,
            "sent_ms": taken.frame.sent_ms,
            "width": size[0],
            "height": size[1],
            "analysis_ms": round((time.perf_counter() - start_s) * 1000, 1),
            "dropped": taken.dropped,
            "faces": face_rows(faces, size, self._with_heads),
        }

    def _look(self, taken: Taken) -> tuple[list[Face], tuple[int, int]]:
        """Faces, and width and height of the frame."""
        try:
            image_rgb = decode_frame(taken.frame.data, self._limits)
            # Two frames may come within one tick of the clock; a track needs time to pass.
            self._last_s = max(taken.time_s, self._last_s + 1e-3)
            faces = self._live.analyze(image_rgb, self._last_s)
        except (cv2.error, MemoryError) as error:
            log.warning("a live frame could not be analysed: %s", error)
            detail = "The frame could not be analysed."
            raise LiveProblem(422, "Damaged picture", detail, UNSUPPORTED) from error
        return faces, (image_rgb.shape[1], image_rgb.shape[0])
