"""Frames from a camera, a clip or a network stream, one interface for all."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from facecli.errors import InputError, SourceError

log = logging.getLogger(__name__)

FALLBACK_FPS = 25.0
_MOST_FPS = 240.0
_LOST_FRAMES, _LOST_SHARE = 5, 0.02
"""A clip may yield a few frames less than its header promises (edit lists); more is a cut."""
_PASSWORD = re.compile(r"(?<=://)[^/@]*@")


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used; tests bring their own."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def read(self) -> tuple[bool, np.ndarray | None]: ...
    def get(self, prop: int) -> float: ...
    def release(self) -> None: ...


class Frame(NamedTuple):
    """Index from 0, seconds since the start, (H, W, 3) uint8 RGB."""

    index: int
    time_s: float
    image_rgb: np.ndarray


class VideoSource:
    """An open camera, clip or stream: a context manager and an iterator of `Frame`.

    Attributes:
        name: what messages call it; `given` is what rows call it: as given, without a password.
        fps: frames a second, by the container or driver; FALLBACK_FPS where these do not know.
        promised: frames by the container's header; 0 for a live source.
    """

    def __init__(self, spec: str, capture: Capture) -> None:
        """Takes over `capture`, which is released at the end of the block.

        Raises SourceError when it is not open.
        """
        self.spec = spec
        self.name = source_name(spec)
        self.given = _PASSWORD.sub("", spec)
        self._capture = capture
        if not capture.isOpened():
            capture.release()
            raise SourceError(_cannot_open(spec))
        self.promised = max(0, int(_number(capture, cv2.CAP_PROP_FRAME_COUNT)))
        fps = _number(capture, cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= _MOST_FPS else FALLBACK_FPS
        self.live = is_camera(spec) or self.promised == 0

    def __enter__(self) -> "VideoSource":
        return self

    def __exit__(self, *_) -> None:
        self._capture.release()

    def __iter__(self) -> Iterator[Frame]:
        """Frames to the end of the clip, or for ever from a live source.

        Raises:
            SourceError: no frame at all, a live source that stops, or a clip that ends
                well before its own header says.
        """
        started = time.monotonic()
        index, time_s = 0, 0.0
        while True:
            grabbed, frame_bgr = self._capture.read()
            if not grabbed or frame_bgr is None:
                self._check_end(index, time_s)
                return
            time_s = time.monotonic() - started if self.live else self._position_s(index)
            yield Frame(index, time_s, cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2RGB))
            index += 1

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
                f"{self.name} is cut short: {frames} of {self.promised} frames could be read; "
                "what was analysed until then is kept"
            )


def open_source(spec: str, open_capture: Callable[[int | str], Capture] = cv2.VideoCapture) -> VideoSource:
    """Opens a camera, clip or stream.

    Args:
        spec: camera number ("0"), path of a clip, or address ("rtsp://...", "http://...").
        open_capture: makes the capture from a camera number or a text.

    Raises:
        InputError: there is no such file.
        SourceError: it cannot be opened.
    """
    check_spec(spec)
    log.info("opening %s", source_name(spec))
    return VideoSource(spec, open_capture(int(spec) if is_camera(spec) else spec))


def check_spec(spec: str) -> None:
    """Raises InputError when `spec` names neither a camera, an address, nor a file that is there."""
    if is_camera(spec) or is_address(spec):
        return
    if Path(spec).is_dir():
        raise InputError(f"{spec} is a folder; --video takes a clip, a camera number or an address")
    if not Path(spec).exists():
        raise InputError(f"no such clip: {spec}; check the path")


def is_camera(spec: str) -> bool:
    """Is it the number of a camera?"""
    return spec.isascii() and spec.isdigit()


def is_address(spec: str) -> bool:
    """Is it the address of a stream?"""
    return "://" in spec


def source_name(spec: str) -> str:
    """How messages and rows call a source: "camera 0", or as given, without a password."""
    return f"camera {spec}" if is_camera(spec) else _PASSWORD.sub("", spec)


def _cannot_open(spec: str) -> str:
    if is_camera(spec):
        return f"{source_name(spec)} cannot be opened: none there, or in use; give another number or a clip"
    if is_address(spec):
        return f"{source_name(spec)} cannot be opened; check the address and the network"
    return f"{spec} cannot be opened: not a video, damaged, or cut short; try another file"


def _number(capture: Capture, prop: int) -> float:
    """A property of the capture; 0 where it is unknown or no number."""
    value = capture.get(prop)
    return float(value) if value and np.isfinite(value) else 0.0
