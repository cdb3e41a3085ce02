"""Numbered pictures as a video."""

import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from facecli.errors import ImageError, InputError
from facecli.images import find_images, load_image

_PLACE = re.compile(r"%0?\d*d")
_NUMBERED = re.compile(r"(.*?)(\d+)$")


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
