"""The thread that reads a source, so that neither drawing nor analysis waits for a decoder."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from facecli.stream.channel import InOrder, Newest
from facecli.stream.sources import Frame

_AHEAD_BYTES, _MOST_AHEAD = 64_000_000, 8
"""A file is decoded ahead by at most that much: 8 frames of 1080p, 2 of 4K."""


class Shot(NamedTuple):
    """A frame and the moment, on the clock of `time.monotonic`, at which it was there."""

    frame: Frame
    taken_s: float


class CaptureThread(threading.Thread):
    """Puts every frame into `frames` and offers it to `newest`, until the source ends.

    The source's end or error closes `frames`; `newest` is only closed. A daemon: a driver that
    never answers cannot keep the process from ending.
    """

    def __init__(
        self,
        source: Iterable[Frame],
        frames: InOrder | Newest,
        newest: Newest | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="capture", daemon=True)
        self._source = source
        self._frames = frames
        self._newest = newest
        self._now = now
        self._asked_s: float | None = None

    def silent_s(self) -> float:
        """For how long the source has owed a frame, seconds; 0 while nobody asks it for one."""
        asked_s = self._asked_s
        return 0.0 if asked_s is None else self._now() - asked_s

    def run(self) -> None:
        error = None
        try:
            self._read()
        except BaseException as caught:  # noqa: BLE001 - raised again in the main thread
            error = caught
        finally:
            self._asked_s = None
            self._frames.close(error)
            if self._newest is not None:
                self._newest.close()

    def _read(self) -> None:
        self._asked_s = self._now()
        for frame in self._source:
            self._asked_s = None
            if not self._hand_on(Shot(frame, self._now())):
                return
            self._asked_s = self._now()

    def _hand_on(self, shot: Shot) -> bool:
        # In this order, so that no later frame is offered before the first one could be drawn.
        return self._frames.put(shot) and (self._newest is None or self._newest.put(shot))


def frames_ahead(first: Shot) -> int:
    """How many frames of that size may wait, decoded, for their turn."""
    frame_bytes = first.frame.image_rgb.nbytes
    return max(1, min(_MOST_AHEAD, _AHEAD_BYTES // frame_bytes))
