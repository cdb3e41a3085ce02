"""The live picture as a video, begun and ended by a key, as fast as it was seen."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from facecli.faces import FrameResult
from facecli.stream.fresh import give_back, reserve
from facecli.stream.pace import Cadence
from facecli.stream.video_file import OpenVideo

_LARGEST_WH = 1920, 1080
"""Larger frames are shrunk: encoding them would hold up the live picture."""
SUFFIX = ".mkv"
"""Small, and playable after a crash (see `video_file`)."""


class Recorder:
    """A video file of a new name. Frames may come at any rate; pauses are left out."""

    def __init__(self, folder: Path, fps: float, now: Callable[[], float]) -> None:
        """Raises OutputError when the folder cannot be written."""
        self._reserved = reserve(folder, (SUFFIX,))
        self.path = self._reserved[0]
        self._cadence = Cadence(fps)
        self._now = now
        self._video = OpenVideo(self.path, fps)
        self._frames, self._fps = 0, fps

    @property
    def seconds(self) -> float:
        """Length of the video so far."""
        return self._frames / self._fps

    def write(self, drawn_rgb: np.ndarray) -> None:
        """Appends what is seen now, (H, W, 3) uint8 RGB. Raises OutputError."""
        copies = self._cadence.copies(self._now())
        if copies == 0:
            return
        drawn_rgb = _shrunk(drawn_rgb)
        height, width = drawn_rgb.shape[:2]
        for _ in range(copies):
            self._video.write(FrameResult(str(self.path), width, height), drawn_rgb)
        self._frames += copies

    def pause(self) -> None:
        """What is seen until the next frame is not recorded."""
        self._cadence.restart()

    def close(self) -> None:
        """Completes the file. Raises OutputError when it cannot be, as on a full disk."""
        try:
            self._video.close()
        finally:
            give_back(self._reserved)


def _shrunk(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    scale = min(1.0, _LARGEST_WH[0] / width, _LARGEST_WH[1] / height)
    if scale == 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
