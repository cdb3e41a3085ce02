"""Cameras and numbered pictures: what is read through OpenCV's capture, or through what looks like it."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from PIL import Image

from facecli.core.arrays import Array
from facecli.core.console import redacted
from facecli.core.errors import ImageError, InputError, SourceError
from facecli.core.images import load_image, over_white
from facecli.sources.frames import FALLBACK_FPS, MOST_FPS, STALL_S, ClipOptions, Frame, PickedFrames
from facecli.sources.video_specs import CaptureOptions, camera_of, cannot_open, is_camera, source_name

log: logging.Logger = logging.getLogger(__name__)

NUMBERS = range(10)
_MOST_BROKEN = 100
"""So many pictures in a row may be unreadable in the middle of a sequence."""
_REQUESTED = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used; tests bring their own."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def read(self) -> tuple[bool, Array | None]: ...
    def get(self, prop: int) -> float: ...
    def release(self) -> None: ...


class CameraCapture(Capture, Protocol):
    """Likewise of a capture that may be a camera's."""

    def set(self, prop: int, value: float) -> bool: ...


class CaptureSource:
    """An open camera or sequence of pictures: a context manager and an iterator of `Frame`.

    It may be read in another thread than the one that closes it. See `frames.OpenSource`.

    Attributes:
        broken: pictures that could not be read and were left out.
    """

    stall_s: float = STALL_S
    has_sound: bool = False
    bits_per_s: int = 0

    def __init__(self, spec: str, capture: Capture, options: ClipOptions | None = None) -> None:
        """Takes over `capture`, which is released at the end of the block.

        Raises SourceError when it is not open.
        """
        self.spec = spec
        self.name: str = source_name(spec)
        self.given: str = redacted(spec.removeprefix("camera:"))
        self.options: ClipOptions = options or ClipOptions()
        self._capture = capture
        self._reading = threading.Lock()
        self._closed = False
        if not capture.isOpened():
            capture.release()
            raise SourceError(cannot_open(spec))
        self.live: bool = is_camera(spec)
        self.promised: int = 0 if self.live else max(0, int(_number(capture, cv2.CAP_PROP_FRAME_COUNT)))
        fps = _number(capture, cv2.CAP_PROP_FPS)
        self.fps: float = fps if 0 < fps <= MOST_FPS else FALLBACK_FPS
        self.broken: int = 0

    def __enter__(self) -> "CaptureSource":
        return self

    def __exit__(self, *_: object) -> None:
        """Releases the capture; one that hangs in a read is released by its reader, later."""
        self._closed = True
        self._release_if_idle()

    def __iter__(self) -> Iterator[Frame]:
        """Pictures to the end of the sequence, or for ever from a camera.

        Broken pictures are left out; their numbers are, too.

        Raises:
            InputError: no picture lies in the part that was asked for.
            SourceError: no picture at all, a camera that stops, or too many pictures that cannot be read.
        """
        started = time.monotonic()
        picked, given = PickedFrames(self.options), 0
        for index, image_rgb in self._read_all():
            time_s = time.monotonic() - started if self.live else self._position_s(index)
            if picked.is_past(time_s):
                return
            if picked.wants(time_s):
                given += 1
                yield Frame(index, time_s, image_rgb, 0.0 if self.live else 1 / self.fps)
        self._check_end(given)

    def _position_s(self, index: int) -> float:
        """When the picture read last is shown; a sequence has no times, only a rate."""
        return _number(self._capture, cv2.CAP_PROP_POS_MSEC) / 1000 or index / self.fps

    def _read_all(self) -> Iterator[tuple[int, Array]]:
        """Every picture that can be read, with its number."""
        index = in_a_row = 0
        while self.live or index < self.promised:
            frame_bgr = self._read()
            if self._closed:
                return
            if frame_bgr is not None:
                yield index, _rgb(frame_bgr)
            elif self.live:
                return
            else:
                self.broken += 1
            in_a_row = in_a_row + 1 if frame_bgr is None else 0
            if in_a_row > _MOST_BROKEN:
                raise SourceError(
                    f"{self.name} is cut short: {_MOST_BROKEN} pictures in a row cannot be read; "
                    "the results so far are kept"
                )
            index += 1

    def _read(self) -> Array | None:
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

    def _check_end(self, given: int) -> None:
        if self._closed:
            return
        if self.live and given:
            raise SourceError(f"{self.name} was lost after {given} frames; the results so far are kept")
        if not given and not self.live and self.broken < self.promised:
            raise InputError(f"{self.name} has no frame after {self.options.start_s:g} s")
        if not given:
            raise SourceError(f"{self.name} gave no frame: it is damaged, busy, or of an unknown format")


class SequenceCapture:
    """Pictures behind the part of `cv2.VideoCapture` that sources use."""

    def __init__(self, pictures: Sequence[Path], fps: float) -> None:
        """Plays `pictures`, which may be of any formats and sizes, `fps` a second."""
        self._pictures = pictures
        self._known = {cv2.CAP_PROP_FPS: fps, cv2.CAP_PROP_FRAME_COUNT: len(pictures)}
        self._next = 0

    def isOpened(self) -> bool:  # noqa: N802
        """There is something to read."""
        return bool(self._pictures)

    def read(self) -> tuple[bool, Array | None]:
        """Whether the next picture could be read, and its (H, W, 3) uint8 BGR."""
        if self._next >= len(self._pictures):
            return False, None
        self._next += 1
        try:
            image_rgb = load_image(self._pictures[self._next - 1])
        except ImageError:
            return False, None
        return True, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)

    def get(self, prop: int) -> float:
        """Rate and count; 0 for everything else."""
        return self._known.get(prop, 0.0)

    def release(self) -> None:
        """Nothing is open between two pictures."""


class AnimationCapture:
    """An animated WebP behind the same part: FFmpeg does not read them, Pillow does."""

    def __init__(self, path: Path) -> None:
        """Raises SourceError when it cannot be opened, InputError when nothing moves in it."""
        try:
            self._image = Image.open(path, formats=("WEBP",))
        except (OSError, ValueError, SyntaxError) as error:
            raise SourceError(cannot_open(str(path))) from error
        self._count = getattr(self._image, "n_frames", 1)
        if self._count < 2:
            self._image.close()
            raise InputError(f"{path} is a picture, despite its name", "use --img")
        self._next, self._start_ms, self._end_ms = 0, 0.0, 0.0

    def isOpened(self) -> bool:  # noqa: N802
        """It is from the start."""
        return True

    def read(self) -> tuple[bool, Array | None]:
        """Whether the next picture could be read, and its (H, W, 3) uint8 BGR, over white."""
        if self._next >= self._count:
            return False, None
        try:
            self._image.seek(self._next)
            picture = np.asarray(self._image.convert("RGBA"))
        except (OSError, ValueError, EOFError):
            picture = None
        self._next += 1
        self._start_ms = self._end_ms
        self._end_ms += float(self._image.info.get("duration") or 1000 / FALLBACK_FPS)
        if picture is None:
            return False, None
        # The order of the colours stays: what goes in as RGBA comes out as the picture's BGR.
        return True, over_white(picture)

    def get(self, prop: int) -> float:
        """Count, moment and rate; 0 for everything else."""
        known = {
            cv2.CAP_PROP_FRAME_COUNT: self._count,
            cv2.CAP_PROP_POS_MSEC: self._start_ms,
            cv2.CAP_PROP_FPS: 1000 * self._next / self._end_ms if self._end_ms else 0.0,
        }
        return known.get(prop, 0.0)

    def release(self) -> None:
        """Closes the file."""
        self._image.close()


def _rgb(frame: Array) -> Array:
    """(H, W, 3) RGB of a BGR frame, or of a grey one."""
    return cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB if frame.ndim == 2 else cv2.COLOR_BGR2RGB)


def _number(capture: Capture, prop: int) -> float:
    """A property of the capture; 0 where it is unknown or no number."""
    value = capture.get(prop)
    return float(value) if value and np.isfinite(value) else 0.0


def open_camera(
    spec: str,
    capture_options: CaptureOptions,
    clip_options: ClipOptions | None = None,
    notify: Callable[[str], None] = log.warning,
    open_capture: Callable[[int | str], CameraCapture] | None = None,
) -> CaptureSource:
    """Opens a camera and asks it for size and rate.

    Args:
        spec: its number or device.
        capture_options: what it is asked for; it may refuse.
        clip_options: of them those that make sense for a camera: `every`, `rate` and `end_s`.
        notify: takes a line when the camera does not do as it was asked.
        open_capture: makes the capture from its number or device.

    Raises SourceError: it cannot be opened.
    """
    capture = (open_capture or default_capture)(camera_of(spec))
    _ask_camera(capture, capture_options)
    source = CaptureSource(spec, capture, clip_options)
    if refused := _refused(capture, capture_options):
        notify(f"{source.name} gives {refused}")
    return source


def default_capture(what: int | str) -> CameraCapture:
    """OpenCV's capture."""
    return cv2.VideoCapture(what)


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


class Camera(NamedTuple):
    """A camera that can be opened; `name` is the system's, "" where it has none for it."""

    number: int
    name: str
    width: int
    height: int
    fps: float


def list_cameras(
    numbers: Iterable[int] = NUMBERS, open_capture: Callable[[int], Capture] = cv2.VideoCapture
) -> list[Camera]:
    """Every camera that gives a frame, [] without one; each is opened for a moment."""
    return [camera for number in numbers if _exists(number) and (camera := _probed(number, open_capture))]


def camera_table(cameras: Iterable[Camera]) -> list[tuple[str, ...]]:
    """A header and a row for each camera."""
    rows = [
        (str(camera.number), f"{camera.width}x{camera.height}", f"{camera.fps:g}", camera.name)
        for camera in cameras
    ]
    return [("camera", "size", "fps", "name"), *rows]


def _exists(number: int, devices: Path = Path("/dev")) -> bool:
    """Linux has a file for each camera, which answers quicker than a driver."""
    return not sys.platform.startswith("linux") or (devices / f"video{number}").exists()


def _probed(number: int, open_capture: Callable[[int], Capture]) -> Camera | None:
    capture = open_capture(number)
    try:
        # A Linux webcam has a second device that opens and never gives a picture.
        if not capture.isOpened() or not capture.read()[0]:
            return None
        width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        return Camera(number, _name(number), int(width), int(height), capture.get(cv2.CAP_PROP_FPS))
    finally:
        capture.release()


def _name(number: int, folder: Path = Path("/sys/class/video4linux")) -> str:
    try:
        return (folder / f"video{number}" / "name").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
