"""Frames from a camera, a clip, numbered pictures or a network stream, one interface for all."""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from facecli.errors import SourceError
from facecli.redaction import redacted
from facecli.stream.specs import cannot_open, is_address, is_camera, source_name

log = logging.getLogger(__name__)

FALLBACK_FPS = 25.0
STALL_S = 10.0
"""A source that gives no frame for that long is given up."""
_MOST_FPS = 240.0
_LOST_FRAMES, _LOST_SHARE = 5, 0.02
"""A clip may yield a few frames less than its header promises (edit lists); more is a cut."""
_MOST_BROKEN = 100
"""So many frames in a row may be unreadable in the middle of a clip."""


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used; tests bring their own."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def read(self) -> tuple[bool, np.ndarray | None]: ...
    def get(self, prop: int) -> float: ...
    def release(self) -> None: ...


class CameraCapture(Capture, Protocol):
    """Likewise of a capture that may be a camera's."""

    def set(self, prop: int, value: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Frame:
    """Index from 0, seconds since the start, (H, W, 3) uint8 RGB."""

    index: int
    time_s: float
    image_rgb: np.ndarray


class FrameSource(Protocol):
    """The part of a `VideoSource` that a running stream needs; it is opened and closed by others."""

    @property
    def name(self) -> str: ...

    @property
    def given(self) -> str: ...

    @property
    def fps(self) -> float: ...

    @property
    def live(self) -> bool: ...

    @property
    def stall_s(self) -> float: ...

    def __iter__(self) -> Iterator[Frame]: ...


class VideoSource:
    """An open camera, clip, sequence or stream: a context manager and an iterator of `Frame`.

    It may be read in another thread than the one that closes it.

    Attributes:
        name: what messages call it; `given` is what rows call it: as given, without passwords.
        fps: frames a second, by the container or driver; FALLBACK_FPS where these do not know.
        promised: frames by the container's header; 0 for a live source, or where it does not say.
        live: it gives frames whether anybody takes them or not.
        stall_s: seconds without a frame after which it should be given up.
        broken: frames that could not be read and were left out.
    """

    stall_s = STALL_S

    def __init__(self, spec: str, capture: Capture) -> None:
        """Takes over `capture`, which is released at the end of the block.

        Raises SourceError when it is not open.
        """
        self.spec = spec
        self.name = source_name(spec)
        self.given = redacted(spec)
        self._capture = capture
        self._reading = threading.Lock()
        self._closed = False
        if not capture.isOpened():
            capture.release()
            raise SourceError(cannot_open(spec))
        self.promised = max(0, int(_number(capture, cv2.CAP_PROP_FRAME_COUNT)))
        fps = _number(capture, cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= _MOST_FPS else FALLBACK_FPS
        # A file may lack a count, too: a raw stream, or a recording that was not completed.
        self.live = is_camera(spec) or (is_address(spec) and self.promised == 0)
        self.broken = 0

    def __enter__(self) -> "VideoSource":
        return self

    def __exit__(self, *_) -> None:
        """Releases the capture; one that hangs in a read is released by its reader, later."""
        self._closed = True
        self._release_if_idle()

    def __iter__(self) -> Iterator[Frame]:
        """Frames to the end of the clip, or for ever from a live source.

        Broken frames in the middle of a clip are left out; their numbers are, too.

        Raises:
            SourceError: no frame at all, a live source that stops, or a clip that ends
                well before its own header says.
        """
        started = time.monotonic()
        index, time_s = 0, 0.0
        while True:
            image_rgb, broken = self._next(index)
            if image_rgb is None:
                self._check_end(index, time_s)
                return
            self.broken += broken
            index += broken
            time_s = time.monotonic() - started if self.live else self._position_s(index)
            yield Frame(index, time_s, image_rgb)
            index += 1

    def _next(self, index: int) -> tuple[np.ndarray | None, int]:
        """The next picture, and how many before it were broken; (None, 0) at the end."""
        left = 0 if self.live else min(_MOST_BROKEN, self.promised - index - 1)
        for broken in range(1 + max(0, left)):
            frame_bgr = self._read()
            if frame_bgr is not None:
                return _rgb(frame_bgr), broken
        return None, 0

    def _read(self) -> np.ndarray | None:
        with self._reading:
            if self._closed:
                return None
            try:
                grabbed, frame_bgr = self._capture.read()
            except cv2.error as error:
                log.debug("%s: %s", self.name, error)
                grabbed, frame_bgr = False, None
        if self._closed:
            self._release_if_idle()
        return frame_bgr if grabbed and frame_bgr is not None and frame_bgr.size else None

    def _release_if_idle(self) -> None:
        if self._reading.acquire(blocking=False):
            try:
                self._capture.release()
            finally:
                self._reading.release()

    def _position_s(self, index: int) -> float:
        """Time stamp of the frame read last; some containers have none."""
        position_s = _number(self._capture, cv2.CAP_PROP_POS_MSEC) / 1000
        return position_s if position_s > 0 else index / self.fps

    def _check_end(self, frames: int, time_s: float) -> None:
        if frames == 0:
            raise SourceError(f"{self.name} gave no frame: it is damaged, busy, or of a format unknown here")
        if self.live:
            raise SourceError(
                f"{self.name} was lost after {frames} frames; what was analysed until then is kept"
            )
        missing = self.promised - frames
        late_s = self.promised / self.fps - time_s
        # Some headers only estimate the count, from the length in time: both must fall short.
        if missing > max(_LOST_FRAMES, _LOST_SHARE * self.promised) and late_s > _LOST_FRAMES / self.fps:
            raise SourceError(
                f"{self.name} is cut short: {frames - self.broken} of {self.promised} frames could be read; "
                "what was analysed until then is kept"
            )


def _rgb(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3) RGB of a BGR frame, or of a grey one."""
    return cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB if frame.ndim == 2 else cv2.COLOR_BGR2RGB)


def _number(capture: Capture, prop: int) -> float:
    """A property of the capture; 0 where it is unknown or no number."""
    value = capture.get(prop)
    return float(value) if value and np.isfinite(value) else 0.0
