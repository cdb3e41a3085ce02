"""Faces cut out of pictures, and files that are made once, in parallel; a killed run goes on where it was."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from facecli.core import paths
from facecli.core.arrays import Array
from facecli.core.console import with_bar
from facecli.core.crops import WHOLE_CHIP_MARGIN, box_areas, clip_boxes, crop_face, fit_chip, warp
from facecli.core.errors import ImageError
from facecli.core.images import decode_image, encode_image, read_bytes
from facecli.core.process import OrderedPool
from facecli.detect.cnn import LandmarkFinder
from facecli.detect.registry import BEST, build_detector, detect_inside, find_entry
from facecli.sources.files import shown

CHIP_SIDE = 224
VERSION = 1
"""Raised when the same picture would give another chip."""
_CHIP = (CHIP_SIDE, CHIP_SIDE)
_CUTTING = 4
_AHEAD = 256
"""Tasks that are begun before the result of the first is there: one may take half a minute."""
_LIKE = 0.5
"""Share of the largest face's area from which on nobody can say whom a label is about."""
_LEAST_SIDE = 12
"""Pixels of a box."""

Item = TypeVar("Item")
Made = TypeVar("Made")


class KeptFiles:
    """Files by key, each made once and then kept; of those that cannot be made the reason is kept."""

    def __init__(self, folder: Path, suffix: str = "") -> None:
        """Removes what a killed run has left unfinished there."""
        self._folder, self._suffix = folder, suffix
        paths.remove_leftovers(folder.glob("*/.*"))

    def find(self, key: str) -> Path | str | None:
        """The file, or the reason why there is none; None when nobody has tried."""
        path = self.path(key)
        if path.is_file():
            return path
        try:
            return path.with_name(f"{key}.failed").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def path(self, key: str) -> Path:
        """Where a file is kept; folders hold a 256th of all each."""
        return self._folder / key[-2:] / f"{key}{self._suffix}"

    def keep(self, key: str, data: bytes) -> Path:
        """Raises OutputError."""
        path = self.path(key)
        with paths.replacing(path) as temporary:
            temporary.write_bytes(data)
        path.with_name(f"{key}.failed").unlink(missing_ok=True)
        return path

    def refuse(self, key: str, reason: str) -> str:
        """Keeps the reason. Raises OutputError."""
        with paths.replacing(self.path(key).with_name(f"{key}.failed")) as temporary:
            temporary.write_text(reason, encoding="utf-8")
        return reason


class Chip(NamedTuple):
    """A face to be cut: its key, its file, how it is had, its box or None, and whether it is one at all."""

    key: str
    file: str
    way: str
    box: tuple[float, ...] | None
    is_face: bool


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def cut_chips(store: KeptFiles, wanted: Mapping[Path, Sequence[Chip]]) -> dict[str, str]:
    """Cuts the faces of pictures into a store; gives for the key of each the reason why there is none, or "".

    Raises OutputError when the store cannot be written.
    """
    # One after the other: building hushes the whole process.
    cutters = [_Cutter(store) for _ in range(min(_CUTTING, os.cpu_count() or 1, len(wanted)))]
    found = in_parallel([cutter.cut_all for cutter in cutters], list(wanted.items()), "looking for faces")
    return {key: reason for reasons in found for key, reason in reasons.items()}


class _Cutter:
    """Finds faces and cuts them. For one thread."""

    def __init__(self, store: KeptFiles) -> None:
        self._store = store
        self._detector, self._finder = build_detector(BEST, threads=1), LandmarkFinder(threads=1)
        crop = find_entry(BEST).chip_crop
        assert crop is not None
        self._crop = crop

    def cut_all(self, job: tuple[Path, Sequence[Chip]]) -> dict[str, str]:
        """Cuts the faces of one picture; for the key of each the reason why there is none, or ""."""
        picture, chips = job
        try:
            image_rgb = decode_image(read_bytes(picture), "it")
        except ImageError as error:
            reason = str(error).replace(shown(picture), "it")
            return {chip.key: self._store.refuse(chip.key, reason) for chip in chips}
        return {chip.key: self._kept(chip.key, self._cut(image_rgb, chip)) for chip in chips}

    def _kept(self, key: str, found: Array | str) -> str:
        if isinstance(found, str):
            return self._store.refuse(key, found)
        self._store.keep(key, bytes(encode_image(found, ".jpg")))
        return ""

    def _cut(self, image_rgb: Array, chip: Chip) -> Array | str:
        """(CHIP_SIDE, CHIP_SIDE, 3) uint8 RGB, or the reason why there is none."""
        height, width = image_rgb.shape[:2]
        if chip.way == "whole":
            return crop_face(image_rgb, (0, 0, width, height), WHOLE_CHIP_MARGIN, _CHIP)
        if chip.box is None:
            return self._found(image_rgb)
        given = np.array(chip.box, float)
        pixels = given * (width, height, width, height) if given.max() <= 1 else given
        box = clip_boxes(pixels, (width, height))[0]
        if min(box[2:] - box[:2]) < _LEAST_SIDE:
            return "the box lies outside the picture, or is hardly larger than a dot"
        if not chip.is_face:
            return crop_face(image_rgb, box, self._crop[0], _CHIP, self._crop[1])
        look = self._finder.find(image_rgb, box[None], self._crop)
        return self._upright(image_rgb, box, look.landmarks[0] if look.faces[0] >= 0.5 else None)

    def _found(self, image_rgb: Array) -> Array | str:
        found = detect_inside(self._detector, image_rgb)
        if not len(found.xyxy):
            return "no face was found"
        areas = box_areas(found.xyxy)
        largest = int(areas.argmax())
        alike = int((areas >= _LIKE * areas[largest]).sum())
        if alike > 1:
            return f"{alike} faces of like size were found; give the box of the one that is meant"
        five = None if found.landmarks is None else found.landmarks[largest]
        return self._upright(image_rgb, found.xyxy[largest], five)

    def _upright(self, image_rgb: Array, box: Array, landmarks: Array | None) -> Array:
        known = landmarks is not None and np.isfinite(landmarks).all()
        matrix = fit_chip(landmarks, box, _CHIP) if known and landmarks is not None else None
        if matrix is None:
            return crop_face(image_rgb, box, self._crop[0], _CHIP, self._crop[1])
        return warp(image_rgb, matrix, _CHIP)


def in_parallel(functions: Sequence[Callable[[Item], Made]], items: Sequence[Item], told: str) -> list[Made]:
    """What the functions, each called in a thread of its own, make of the items, in their order."""
    with OrderedPool(functions, _AHEAD) as pool:
        found = []
        for made in with_bar(pool.results(items), told, len(items)):
            assert made is not None
            found.append(made)
    return found
