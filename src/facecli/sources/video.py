"""Frames from a camera, a clip, numbered pictures or a network stream, one interface for all."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from facecli.core.errors import SourceError
from facecli.core.redaction import redacted
from facecli.sources.video_specs import (
    CaptureOptions,
    SequenceCapture,
    camera_of,
    cannot_open,
    check_spec,
    is_address,
    is_camera,
    is_sequence,
    sequence_pictures,
    source_name,
)

log = logging.getLogger(__name__)

FALLBACK_FPS = 25.0
STALL_S = 10.0
"""A source that gives no frame for that long is given up."""
_MOST_FPS = 240.0
_LOST_FRAMES, _LOST_SHARE = 5, 0.02
"""A clip may yield a few frames less than its header promises (edit lists); more is a cut."""
_MOST_BROKEN = 100
"""So many frames in a row may be unreadable in the middle of a clip."""

BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Pauses before the tries; after the last one the source is given up."""
_SLICE_S = 0.1

_REQUESTED = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS


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


class ReconnectingSource:
    """Looks like the live source that it holds; frames and seconds count on after a gap.

    A frame that arrives makes all tries new.
    """

    broken = 0
    stall_s = sum(BACK_OFF_S) + (2 + len(BACK_OFF_S)) * STALL_S

    def __init__(
        self,
        reopen: Callable[[], VideoSource],
        notify: Callable[[str], None],
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Opens the source for the first time.

        Args:
            reopen: opens it; raises SourceError.
            notify: takes one line for each try.
            wait: sleeps for some seconds.

        Raises:
            SourceError: it cannot be opened at all.
        """
        self._reopen = reopen
        self._notify = notify
        self._wait = wait
        self._closed = False
        self._source = source = reopen()
        self.name, self.given, self.fps = source.name, source.given, source.fps
        self.promised, self.live = source.promised, source.live

    def __enter__(self) -> "ReconnectingSource":
        return self

    def __exit__(self, *error) -> None:
        self._closed = True
        self._source.__exit__(*error)

    def __iter__(self) -> Iterator[Frame]:
        """Frames for ever. Raises SourceError when it was lost and every try failed."""
        started, index, tries = time.monotonic(), 0, 0
        while True:
            try:
                for frame in self._source:
                    yield Frame(index, time.monotonic() - started, frame.image_rgb)
                    index, tries = index + 1, 0
                return
            except SourceError as error:
                if self._closed:
                    return
                tries = self._open_again(tries, error)

    def _open_again(self, tries: int, lost: SourceError) -> int:
        """Tries until it is open; returns how many tries that took. Raises SourceError after the last."""
        for number, pause_s in enumerate(BACK_OFF_S[tries:], start=tries + 1):
            self._notify(
                f"{self.name} was lost; trying again in {pause_s:g} s (try {number} of {len(BACK_OFF_S)})"
            )
            self._pause(pause_s)
            if self._closed:
                return number
            try:
                self._source = self._reopen()
            except SourceError:
                continue
            if self._closed:
                self._source.__exit__()
            return number
        raise SourceError(
            f"{self.name} did not come back after {len(BACK_OFF_S)} tries; "
            "what was analysed until then is kept"
        ) from lost

    def _pause(self, seconds: float) -> None:
        """Waits in slices, so that the end of the program need not wait as long."""
        for _ in range(max(1, round(seconds / _SLICE_S))):
            if self._closed:
                return
            self._wait(_SLICE_S)


def open_source(
    spec: str,
    capture_options: CaptureOptions | None = None,
    notify: Callable[[str], None] = log.warning,
    open_capture: Callable[[int | str], CameraCapture] | None = None,
) -> VideoSource:
    """Opens a camera, clip, sequence of pictures or stream.

    Args:
        spec: camera number ("0") or device ("/dev/video0"), path of a clip, folder or pattern of
            numbered pictures ("frames/%04d.png"), or address ("rtsp://...", "http://...").
        capture_options: size and rate that a camera is asked for; it may refuse them.
        notify: takes a line when the camera does not do as it was asked.
        open_capture: makes the capture from a camera number or a text.

    Raises:
        InputError: there is no such file.
        SourceError: it cannot be opened.
    """
    check_spec(spec)
    capture_options = capture_options or CaptureOptions()
    log.info("opening %s", source_name(spec))
    if is_sequence(spec):
        return VideoSource(
            spec, SequenceCapture(sequence_pictures(spec), capture_options.fps or FALLBACK_FPS)
        )
    capture = (open_capture or default_capture)(camera_of(spec) if is_camera(spec) else spec)
    if is_camera(spec):
        _ask_camera(capture, capture_options)
    source = VideoSource(spec, capture)
    if is_camera(spec) and (refused := _refused(capture, capture_options)):
        notify(f"{source.name} gives {refused}")
    return source


def default_capture(what: int | str) -> CameraCapture:
    """OpenCV's capture; of an address one that gives up after STALL_S."""
    if isinstance(what, int) or not is_address(what):
        return cv2.VideoCapture(what)
    limit_ms = int(STALL_S * 1000)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit_ms]
    capture = cv2.VideoCapture(what, cv2.CAP_FFMPEG, limits)
    # A build of OpenCV without FFmpeg may have another way.
    return (
        capture
        if capture.isOpened() or cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG)
        else cv2.VideoCapture(what)
    )


def _ask_camera(capture: CameraCapture, capture_options: CaptureOptions) -> None:
    """Asks for size and rate; a driver takes what is nearest to it, or nothing."""
    if capture_options.width or capture_options.height:
        # Most webcams give large pictures at a useful rate as JPEG only.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    for prop, value in zip(_REQUESTED, capture_options, strict=True):
        if value:
            capture.set(prop, value)


def _refused(capture: CameraCapture, capture_options: CaptureOptions) -> str:
    """What the camera gives when it is not what was asked for: "640x480 at 30 fps"; else ""."""
    width, height, fps = given = [capture.get(prop) for prop in _REQUESTED]
    if all(
        not wish or round(wish) == round(value) for wish, value in zip(capture_options, given, strict=True)
    ):
        return ""
    return f"{width:.0f}x{height:.0f} at {fps:.0f} fps"
