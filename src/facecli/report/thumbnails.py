"""Small JPEG pictures for a page, and how much of it they may take."""

import base64
from typing import NamedTuple

import cv2
import numpy as np

from facecli.crops import crop_face

_QUALITY = 72
_MARGIN = 0.2
"""Of a face's crop."""


class Size(NamedTuple):
    """Longer side of a picture's thumbnail and side of a face's crop, in pixels."""

    picture: int
    face: int


_SIZES = ((24 << 20, Size(240, 72)), (48 << 20, Size(120, 48)))
"""Until so many bytes are taken, thumbnails are so large; then there are none."""


class Budget:
    """Hands out sizes that shrink as a page fills, so that it stays bounded.

    Attributes:
        bytes: taken so far, as they stand on the page.
        smaller_from, none_from: number of the first picture (from 0) with smaller ones, or without
            any; None as long as there was none.
    """

    def __init__(self) -> None:
        """Nothing is taken."""
        self.bytes = 0
        self.smaller_from: int | None = None
        self.none_from: int | None = None
        self._asked = 0

    def next_size(self) -> Size | None:
        """For the next picture."""
        number, self._asked = self._asked, self._asked + 1
        for limit, size in _SIZES:
            if self.bytes < limit:
                if size is not _SIZES[0][1] and self.smaller_from is None:
                    self.smaller_from = number
                return size
        if self.none_from is None:
            self.none_from = number
        return None

    def take(self, address: str) -> str:
        """Counts a thumbnail, and returns it."""
        self.bytes += len(address)
        return address


def picture_thumbnail(image_rgb: np.ndarray, side: int) -> str:
    """A (H, W, 3) uint8 RGB picture as a data: address of a JPEG whose longer side is `side` at most."""
    height, width = image_rgb.shape[:2]
    share = side / max(height, width)
    if share < 1:
        size = max(round(width * share), 1), max(round(height * share), 1)
        image_rgb = cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA)
    return _address(image_rgb)


def face_thumbnail(image_rgb: np.ndarray, box_xyxy: tuple[int, int, int, int], side: int) -> str:
    """The face in the box, likewise, a square of `side` pixels."""
    return _address(crop_face(image_rgb, box_xyxy, _MARGIN, (side, side)))


def _address(image_rgb: np.ndarray) -> str:
    bgr = cv2.cvtColor(np.ascontiguousarray(image_rgb), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode('ascii')}"
