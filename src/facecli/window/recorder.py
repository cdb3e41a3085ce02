"""Moments of the live picture, kept: a video between two keys, a snapshot as PNG and JSON."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np

from facecli.core.errors import OutputError
from facecli.core.faces import Face
from facecli.core.files import release_names, reserve_names
from facecli.core.images import save_image
from facecli.core.paths import replacing
from facecli.pipeline.playback import RecordingClock
from facecli.sinks.video import OpenVideo
from facecli.window.controls import Controls

_LARGEST_WH = 1920, 1080
"""Larger frames are shrunk: encoding them would hold up the live picture."""
SUFFIX = ".mkv"
"""Small, and playable after a crash (see `video_file`)."""


def save_snapshot(
    folder: Path,
    drawn_rgb: np.ndarray,
    faces: Sequence[Face],
    source: str,
    controls: Controls,
    moment: datetime | None = None,
) -> Path:
    """Writes two files of one new name and returns the path of the PNG.

    Args:
        folder: where to.
        drawn_rgb: (H, W, 3) uint8, with boxes.
        faces: in the coordinates of `drawn_rgb`; what reaches out of it is cut off.
        source: as rows call it.
        controls: how the picture was shown.
        moment: when; now when left out.

    Raises:
        OutputError: the folder cannot be written or the disk is full; then neither file is left.
    """
    moment = moment or datetime.now()
    picture, record = paths = reserve_names(folder, (".png", ".json"), moment)
    height, width = drawn_rgb.shape[:2]
    row = {
        "source": source,
        "picture": picture.name,
        "taken": moment.astimezone().isoformat(timespec="seconds"),
        "width": width,
        "height": height,
        "mirrored": controls.mirror,
        "anonymized": controls.anonymize or controls.protected,
        "faces": [inner.to_json() for face in faces if (inner := _inside(face, width, height))],
    }
    try:
        save_image(picture, drawn_rgb)
        with replacing(record) as temporary:
            temporary.write_text(json.dumps(row, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OutputError:
        picture.unlink(missing_ok=True)
        raise
    finally:
        release_names(paths)
    return picture


def _inside(face: Face, width: int, height: int) -> Face | None:
    """The face with the part of its box that lies in the picture; None without one."""
    left, top, right, bottom = face.box_xyxy
    box = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    return replace(face, box_xyxy=box) if box[0] < box[2] and box[1] < box[3] else None


class Recorder:
    """A video file of a new name. Frames may come at any rate; pauses are left out."""

    def __init__(self, folder: Path, fps: float, now: Callable[[], float]) -> None:
        """Raises OutputError when the folder cannot be written."""
        self._reserved = reserve_names(folder, (SUFFIX,))
        self.path = self._reserved[0]
        self._clock = RecordingClock(fps)
        self._now = now
        self._video = OpenVideo(self.path, fps)
        self._last_s = 0.0

    @property
    def seconds(self) -> float:
        """Length of the video so far."""
        return self._last_s

    def write(self, drawn_rgb: np.ndarray) -> None:
        """Appends what is seen now, (H, W, 3) uint8 RGB. Raises OutputError."""
        self._last_s = self._clock.time_s(self._now())
        self._video.append(_shrunk(drawn_rgb), self._last_s)

    def pause(self) -> None:
        """What is seen until the next frame is not recorded."""
        self._clock.restart()

    def close(self) -> None:
        """Completes the file. Raises OutputError when it cannot be, as on a full disk."""
        try:
            self._video.close()
        finally:
            release_names(self._reserved)


def _shrunk(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    scale = min(1.0, _LARGEST_WH[0] / width, _LARGEST_WH[1] / height)
    if scale == 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
