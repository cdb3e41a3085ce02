"""What the text behind `--video` names: a camera, an address, a clip or numbered pictures."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from facecli.core.errors import ImageError, InputError
from facecli.core.images import find_images, load_image
from facecli.core.redaction import redacted

_PLACE = re.compile(r"%0?\d*d")
_NUMBERED = re.compile(r"(.*?)(\d+)$")

_DEVICE = re.compile(r"/dev/video(\d+)")


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

    def read(self) -> tuple[bool, np.ndarray | None]:
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


def is_pattern(spec: str) -> bool:
    """Does the file's name hold a place for a number, as in %04d.png? A file of that very name does not."""
    return bool(_PLACE.search(Path(spec).name)) and not Path(spec).exists()


def sequence_pictures(spec: str) -> list[Path]:
    """Pictures of a folder or pattern, by number.

    Raises InputError when there is none.
    """
    folder = Path(spec) if Path(spec).is_dir() else Path(spec).parent
    numbered = _of_pattern(folder, Path(spec).name) if is_pattern(spec) else _of_folder(folder)
    if not numbered:
        remedy = "name a clip, or pictures such as frames/0001.png"
        if is_pattern(spec):
            raise InputError(f"no picture matches {spec}; {remedy}")
        raise InputError(f"{spec} is a folder without numbered pictures; {remedy}")
    return [path for _, path in sorted(numbered)]


def _of_pattern(folder: Path, name: str) -> list[tuple[tuple[str, int], Path]]:
    before, after = _PLACE.split(name, maxsplit=1)
    wanted = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    names = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return [(("", int(found[1])), path) for path in names if (found := wanted.fullmatch(path.name))]


def _of_folder(folder: Path) -> list[tuple[tuple[str, int], Path]]:
    pictures = [path for path in find_images(folder) if path.parent == folder]
    return [
        ((found[1], int(found[2])), path) for path in pictures if (found := _NUMBERED.fullmatch(path.stem))
    ]


class CaptureOptions(NamedTuple):
    """What a camera is asked for, in pixels and frames a second; None leaves it as it is.

    `fps` is the playing rate of a sequence of pictures, too.
    """

    width: int | None = None
    height: int | None = None
    fps: float | None = None


def is_camera(spec: str) -> bool:
    """Is it the number or the device of a camera?"""
    return (spec.isascii() and spec.isdigit()) or spec.startswith("/dev/")


def is_address(spec: str) -> bool:
    """Is it the address of a stream?"""
    return "://" in spec


def is_sequence(spec: str) -> bool:
    """Is it a folder, or a pattern such as frames/%04d.png?"""
    return not is_camera(spec) and not is_address(spec) and (is_pattern(spec) or Path(spec).is_dir())


def is_clip(spec: str) -> bool:
    """Is it a video file?"""
    return not (is_camera(spec) or is_address(spec) or is_sequence(spec))


def camera_of(spec: str) -> int | str:
    """The number of a camera, which every backend of OpenCV knows; else its device."""
    if spec.isdigit():
        return int(spec)
    # Links such as /dev/v4l/by-id/... keep pointing at the same camera.
    device = _DEVICE.fullmatch(str(Path(spec).resolve()))
    return int(device[1]) if device else spec


def check_spec(spec: str) -> None:
    """Raises InputError when `spec` names a file, folder or device that is not there."""
    if spec.isdigit() or is_address(spec):
        return
    if is_camera(spec):
        if not Path(spec).exists():
            raise InputError(
                f"no such camera: {spec}; 'facecli run --list-cameras' shows those that are there"
            )
    elif is_sequence(spec):
        sequence_pictures(spec)
    elif not Path(spec).exists():
        raise InputError(f"no such clip: {source_name(spec)}; check the path")


def check_capture_options(spec: str, capture_options: CaptureOptions, reconnect: bool) -> None:
    """Raises InputError when something is asked of a source that cannot give it."""
    if (capture_options.width or capture_options.height) and not is_camera(spec):
        raise InputError("--width and --height ask a camera; clips and streams have a size of their own")
    if capture_options.fps and not (is_camera(spec) or is_sequence(spec)):
        raise InputError("--fps asks a camera or a sequence of pictures; clips and streams have their own")
    if reconnect and not (is_camera(spec) or is_address(spec)):
        raise InputError("--reconnect is for cameras and streams; a file does not go away")


def source_name(spec: str) -> str:
    """How messages call a source: "camera 0", or as given, without passwords."""
    return f"camera {spec}" if spec.isdigit() else redacted(spec)


def cannot_open(spec: str) -> str:
    """One line with a remedy."""
    if is_camera(spec):
        return f"{source_name(spec)} cannot be opened: none there, or in use; give another number or a clip"
    if is_address(spec):
        return f"{source_name(spec)} cannot be opened; check the address and the network"
    return f"{source_name(spec)} cannot be opened: not a video, damaged, or cut short; try another file"
