"""Which cameras are there."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import cv2

from facecli.sources.video import Capture

NUMBERS = range(10)


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
