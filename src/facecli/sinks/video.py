"""Annotated frames as a video file that is closed and playable however the run ends."""

import contextlib
import shutil
from pathlib import Path

import cv2
import numpy as np

from facecli.core.errors import InputError, OutputError
from facecli.core.files import AtomicFile
from facecli.sinks.base import Record

CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
"""Suffix -> four-letter code of a codec that every build of OpenCV's FFmpeg has."""

_SPARE_BYTES = 8_000_000
"""Left free on the disk: for the index at a video's end, and for the other results."""


class VideoFileSink:
    """Writes the drawn frames at the source's frame rate, without the source's sound.

    The file grows under a temporary name beside its place (".drawn-x7f2.avi" for "drawn.avi") and
    takes it at the end, also after an error, Ctrl-C or a polite kill; a run without a frame leaves
    the old file alone. When the process is killed outright or the power fails, the temporary file
    stays: in .avi and .mkv everything up to the last second can be played, .mp4, .m4v and .mov
    get their index at the end and cannot be played without it.
    """

    def __init__(self, path: Path, fps: float) -> None:
        """Raises InputError when the suffix names no container that can be written."""
        check_suffix(path)
        self._path = Path(path)
        self._fps = fps
        self._end = contextlib.ExitStack()

    def __enter__(self) -> "OpenVideo":
        """The sink that takes the frames. Raises OutputError when the folder cannot be written."""
        video = OpenVideo(self._path, self._fps)
        self._end.callback(video.close)
        return video

    def __exit__(self, *_) -> None:
        """Raises OutputError when the file cannot be completed, as on a full disk."""
        self._end.close()


class OpenVideo:
    """A video file in the making (see `VideoFileSink`), for whoever closes it."""

    wants_image = True

    def __init__(self, path: Path, fps: float) -> None:
        """Raises OutputError when the folder cannot be written."""
        self._path, self._fps = path, fps
        self._pending = AtomicFile(path)
        self._writer: cv2.VideoWriter | None = None
        self._resolution_wh = (0, 0)

    def close(self) -> None:
        """Completes the file. Raises OutputError when it cannot be, as on a full disk."""
        if self._writer is None:
            self._pending.discard()
            return
        self._writer.release()
        if not _playable(self._pending.temporary):
            self._pending.discard()
            raise OutputError(f"cannot write {self._path}: the video is incomplete; is the disk full?")
        self._pending.keep()

    def __enter__(self) -> "OpenVideo":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def write(self, record: Record) -> None:
        """Appends the frame of a record that has one."""
        if record.image_rgb is not None:
            self.append(record.image_rgb)

    def append(self, drawn_rgb: np.ndarray) -> None:
        """Appends a (H, W, 3) uint8 RGB frame; one of another size than the first is resized to it.

        Raises OutputError when the disk is all but full; what was written until then can be played.
        """
        self._check_room()
        if self._writer is None:
            self._resolution_wh = drawn_rgb.shape[1], drawn_rgb.shape[0]
            self._writer = self._opened(self._resolution_wh)
        if drawn_rgb.shape[1::-1] != self._resolution_wh:
            drawn_rgb = cv2.resize(drawn_rgb, self._resolution_wh, interpolation=cv2.INTER_AREA)
        self._writer.write(cv2.cvtColor(drawn_rgb, cv2.COLOR_RGB2BGR))

    def _check_room(self) -> None:
        # OpenCV's writer does not tell of failed writes.
        try:
            free_bytes = shutil.disk_usage(self._pending.temporary.parent).free
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from error
        if free_bytes < _SPARE_BYTES:
            raise OutputError(
                f"cannot write {self._path}: the disk is full; what was written until then is kept"
            )

    def _opened(self, resolution_wh: tuple[int, int]) -> cv2.VideoWriter:
        codec = cv2.VideoWriter.fourcc(*CODECS[self._path.suffix.lower()])
        writer = cv2.VideoWriter(str(self._pending.temporary), codec, self._fps, resolution_wh)
        if not writer.isOpened():
            raise OutputError(f"cannot write {self._path}: OpenCV cannot encode it; try a name with .avi")
        return writer


def check_suffix(path: Path) -> None:
    """Raises InputError when the suffix names no container that can be written, or a folder is there."""
    if Path(path).suffix.lower() not in CODECS:
        raise InputError(f"{path} has no video suffix; use one of {' '.join(CODECS)}")
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder; name a video file")


def _playable(path: Path) -> bool:
    """Can the first frame be read back? OpenCV's writer does not tell of failed writes."""
    capture = cv2.VideoCapture(str(path))
    try:
        return capture.isOpened() and capture.read()[0]
    finally:
        capture.release()
