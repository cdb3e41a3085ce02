"""Heads made unrecognisable on a copy of the picture, before it is drawn on, saved or sent.

A blur of a fixed strength can be undone, and is none at all on a large face. Here every head is
reduced to a handful of averages, however large it is; what is not there cannot be brought back.
Averages still tell hair and skin colour apart, and many frames of one head tell more than one does
(McPherson, Shokri & Shmatikov 2016, "Defeating Image Obfuscation with Deep Learning", recognise
people by mosaics of 8 x 8 and more on a face): "box" is the method that leaves nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np

from facecli.core.arrays import Array
from facecli.core.faces import Face
from facecli.draw.plates import Rectangle

METHODS = ("blur", "pixelate", "box")
_ABOVE, _BESIDE, _BELOW = 0.55, 0.3, 0.25
"""Hair, ears and chin beyond a detector's box, as shares of its sides."""
_CELLS = 6
"""Averages along the longer side of a head, at most."""
_SMALLEST_CELL = 8
"""Pixels a side; small heads get fewer averages."""
_COVER = (64, 64, 64)

Protect = Callable[[Array, Sequence[Face]], Array]
"""(H, W, 3) uint8 RGB and the faces in it -> a copy without recognisable faces."""
REMEMBERED_S = 0.5
"""A detector misses a face now and then; for that long its last place stays covered."""


def anonymize(image_rgb: Array, faces: Sequence[Face], method: str) -> Array:
    """Hides the whole head of every face, refused ones too; the rest of the picture stays as it is.

    Args:
        image_rgb: (H, W, 3) uint8 RGB; it is not changed.
        faces: may be empty; whom the detector missed stays visible.
        method: one of METHODS.

    Returns:
        (H, W, 3) uint8 RGB, a copy.

    Raises:
        ValueError: unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"no method '{method}'; choose one of {', '.join(METHODS)}")
    hidden = np.ascontiguousarray(image_rgb).copy()
    height, width = hidden.shape[:2]
    for face in faces:
        left, top, right, bottom = head_box(face.box_xyxy, (width, height))
        if left < right and top < bottom:
            head = hidden[top:bottom, left:right]
            head[:] = _COVER if method == "box" else _coarse(head, smooth=method == "blur")
    return hidden


def head_box(box_xyxy: Sequence[float], resolution_wh: tuple[int, int]) -> Rectangle:
    """The face's box grown over hair, ears and chin, clipped to the picture; may be empty outside it."""
    x_min, y_min, x_max, y_max = (float(value) for value in box_xyxy)
    face_width, face_height = x_max - x_min, y_max - y_min
    left, right = x_min - _BESIDE * face_width, x_max + _BESIDE * face_width
    top, bottom = y_min - _ABOVE * face_height, y_max + _BELOW * face_height
    width, height = resolution_wh
    return Rectangle(
        int(np.clip(np.floor(left), 0, width)),
        int(np.clip(np.floor(top), 0, height)),
        int(np.clip(np.ceil(right), 0, width)),
        int(np.clip(np.ceil(bottom), 0, height)),
    )


def _coarse(head: Array, smooth: bool) -> Array:
    """The head as its few averages, in squares or run into each other; (h, w, 3) uint8, a new array."""
    height, width = head.shape[:2]
    side = max(_SMALLEST_CELL, -(-max(height, width) // _CELLS))
    cells_wh = max(1, width // side), max(1, height // side)
    averages = cv2.resize(head, cells_wh, interpolation=cv2.INTER_AREA)
    interpolation = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    spread = cv2.resize(averages, (width, height), interpolation=interpolation)
    return cv2.blur(spread, (side, side), borderType=cv2.BORDER_REPLICATE) if smooth else spread


def covers_at(time_s: float, seen: Mapping[float, Sequence[Face]]) -> list[Face]:
    """Faces to be covered at a time, from those of frames before and after it: each track once.

    A face that was not found in a frame was there nevertheless, if it was found a moment before or will
    be a moment later: between both its box has moved evenly, else it was where it is seen next.

    Args:
        time_s: of the frame.
        seen: time -> faces of each frame from REMEMBERED_S before to REMEMBERED_S after it.
    """
    tracks: dict[object, dict[float, Face]] = {}
    for when, faces in seen.items():
        if abs(when - time_s) <= REMEMBERED_S:
            for face in faces:
                tracks.setdefault(face.track or face.box_xyxy, {})[when] = face
    return [_between(time_s, sights) for sights in tracks.values()]


def _between(time_s: float, sights: Mapping[float, Face]) -> Face:
    before = max((when for when in sights if when <= time_s), default=None)
    after = min((when for when in sights if when >= time_s), default=None)
    if before is None or after is None or before == after:
        return sights[before if after is None else after]  # type: ignore[index]
    share = (time_s - before) / (after - before)
    pairs = zip(sights[before].box_xyxy, sights[after].box_xyxy, strict=True)
    x_min, y_min, x_max, y_max = (round(one + share * (other - one)) for one, other in pairs)
    return replace(sights[before], box_xyxy=(x_min, y_min, x_max, y_max))


class LingeringMask:
    """Covers the faces of analysed frames, in the order of their times."""

    def __init__(self, protect: Protect | None) -> None:
        """Without `protect` pictures pass as they are."""
        self._protect = protect
        self._seen: dict[object, tuple[float, Face]] = {}

    def cover(self, image_rgb: Array, faces: Sequence[Face], time_s: float) -> Array:
        """The picture, (H, W, 3) uint8 RGB, with nobody to recognise in it."""
        if self._protect is None:
            return image_rgb
        for face in faces:
            # Faces without a track have only their place for a name.
            self._seen[face.track or face.box_xyxy] = time_s, face
        self._seen = {key: seen for key, seen in self._seen.items() if time_s - seen[0] <= REMEMBERED_S}
        return self._protect(image_rgb, [face for _, face in self._seen.values()])
