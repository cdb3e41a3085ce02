"""One picture as bytes becomes boxes and crops; the network is left to the batch."""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from facecli.errors import ImageError
from facecli.faces import Face
from facecli.image_header import MAX_PIXELS
from facecli.images import decode_image, decode_reduced
from facecli.pictures.item import Item, one_line
from facecli.vision.analyze import Found

SEARCHED_SIDE = 1280
"""Longer side in pixels to which a large JPEG may be reduced while it is decoded. Detectors search in 640."""


UNREADABLE = (ImageError, MemoryError, cv2.error)
"""What a picture may be to blame for."""


class Looker(Protocol):
    """The part of an `Analyzer` that is needed here; one thread at a time may use it."""

    def find(self, image_rgb: np.ndarray) -> Found: ...


class Reader(Protocol):
    """The part of an `Analyzer` that reads faces."""

    def read(self, found: list[Found]) -> list[list[Face]]: ...


@dataclass(slots=True)
class Looked:
    """A picture before its faces are read.

    Attributes:
        item: which one.
        size: width and height in pixels.
        found: boxes in pixels of the whole picture, scores and crops.
        image_rgb: (H, W, 3) uint8 RGB, the whole picture; None when it is not wanted.
        error: there is none.
    """

    item: Item
    size: tuple[int, int]
    found: Found
    image_rgb: np.ndarray | None = None
    error: None = None

    @property
    def held_bytes(self) -> int:
        """Memory of its pixels."""
        return 0 if self.image_rgb is None else self.image_rgb.nbytes


@dataclass(slots=True)
class Unread:
    """A picture that could not be read, and why."""

    item: Item
    error: str
    held_bytes: int = 0


def look(item: Item, looker: Looker, wants_image: bool) -> Looked | Unread:
    """Reads, decodes and searches one picture. What is no picture gives an `error`, and never raises."""
    try:
        return _look(item, item.load(), looker, wants_image)
    except UNREADABLE as error:
        return Unread(item, why_unread(error, item.source))


def why_unread(error: Exception, source: str) -> str:
    """One of UNREADABLE in one line."""
    if isinstance(error, MemoryError):
        return f"not enough memory for {source}; make it smaller"
    if isinstance(error, cv2.error):
        return f"{source} cannot be searched ({error.err}); save it again"
    return one_line(error)


def _look(item: Item, data: bytes, looker: Looker, wants_image: bool) -> Looked:
    found, size = find_in(data, item.source, looker)
    image_rgb = decode_image(data, item.source) if wants_image else None
    return Looked(item, size, found, image_rgb)


def find_in(
    data: bytes, name: str, looker: Looker, max_pixels: int = MAX_PIXELS
) -> tuple[Found, tuple[int, int]]:
    """Boxes and crops of an encoded picture, a large JPEG reduced while it is decoded.

    The whole picture is taken when a face in the reduced one has fewer pixels than the network sees:
    no crop is less sharp than it can be.

    Args:
        data: content of a picture file.
        name: what error messages call it.
        looker: finds.
        max_pixels: as of `images.decode_image`.

    Returns:
        What was found, in pixels of the whole picture, and width and height of that.

    Raises:
        ImageError: see `images.decode_image`.
    """
    image_rgb, size = decode_reduced(data, name, SEARCHED_SIDE, max_pixels)
    found = looker.find(image_rgb)
    reduced = image_rgb.shape[1], image_rgb.shape[0]
    if reduced == size:
        return found, size
    if not _are_sharp(found):
        image_rgb = decode_image(data, name, max_pixels)
        return looker.find(image_rgb), size
    return found._replace(xyxy=_enlarged(found.xyxy, reduced, size)), size


def _are_sharp(found: Found) -> bool:
    """Has every face as many pixels as the largest crop that is made of it?"""
    if not len(found.xyxy):
        return True
    needed = max(max(crops.shape[1:3]) for crops in found.crops)
    return bool((found.xyxy[:, 2:] - found.xyxy[:, :2]).max(axis=1).min() >= needed)


def _enlarged(xyxy: np.ndarray, reduced: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Boxes (n, 4) in pixels of the reduced picture, in those of the whole; inside it."""
    scale = np.array(size * 2) / (reduced * 2)
    return np.clip(np.round(xyxy * scale), 0, np.array(size * 2)).astype(np.int32)
