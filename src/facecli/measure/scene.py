"""A scene drawn by code, with faces that detectors take for faces: no camera and no clip needed."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

RESOLUTIONS = {"480p": (640, 480), "720p": (1280, 720), "1080p": (1920, 1080)}
"""Name -> (width, height) in pixels."""
MOST_FACES = 8
_OVERSAMPLING = 4
_SKINS = ((205, 160, 130), (235, 195, 170), (150, 105, 80), (190, 140, 105))
_HAIR, _IRIS, _WHITE, _LIP = (50, 35, 30), (40, 25, 20), (240, 240, 240), (150, 70, 70)
_WALL = (90, 110, 120)


class Ellipse(NamedTuple):
    """Part of a face: centre and half axes in shares of its side, what it is filled with, and its arc.

    Attributes:
        colour: RGB, or the brightness of the skin as a factor.
        start, end: degrees; of an arc that is drawn as a line of that `line` width.
    """

    x: float
    y: float
    half_width: float
    half_height: float
    colour: tuple[int, int, int] | float
    start: int = 0
    end: int = 360
    line: float = 0.0


def _pair(x: float, *rest) -> tuple[Ellipse, Ellipse]:
    """Left and right of the middle."""
    return Ellipse(x, *rest), Ellipse(1 - x, *rest)


_FACE = (
    Ellipse(0.5, 0.45, 0.37, 0.45, _HAIR),
    Ellipse(0.5, 0.52, 0.31, 0.40, 1.0),
    Ellipse(0.5, 0.25, 0.26, 0.13, 1.0),
    *_pair(0.37, 0.45, 0.095, 0.055, 0.72),
    *_pair(0.37, 0.455, 0.065, 0.03, _WHITE),
    *_pair(0.37, 0.455, 0.03, 0.03, _IRIS),
    *_pair(0.37, 0.40, 0.09, 0.035, 0.25, 190, 350, 0.028),
    Ellipse(0.5, 0.52, 0.03, 0.12, 1.12),
    Ellipse(0.5, 0.635, 0.06, 0.02, 0.72),
    *_pair(0.36, 0.62, 0.07, 0.06, 1.12),
    Ellipse(0.5, 0.745, 0.11, 0.03, _LIP),
    Ellipse(0.5, 0.745, 0.10, 0.006, 0.25),
    Ellipse(0.5, 0.84, 0.08, 0.02, 1.12),
)
"""From back to front. Dark eyes under a bright forehead and cheeks are what Haar's features ask for."""


def draw_face(side: int, skin: tuple[int, int, int] = _SKINS[0]) -> np.ndarray:
    """A frontal face on a plain ground, (side, side, 3) uint8 RGB."""
    size = side * _OVERSAMPLING
    canvas = np.full((size, size, 3), _WALL, np.uint8)
    for part in _FACE:
        colour = _filling(part.colour, skin)
        centre = int(part.x * size), int(part.y * size)
        axes = int(part.half_width * size), int(part.half_height * size)
        line = max(1, int(part.line * size)) if part.line else cv2.FILLED
        cv2.ellipse(canvas, centre, axes, 0, part.start, part.end, colour, line, cv2.LINE_AA)
    soft = cv2.GaussianBlur(canvas, (0, 0), 0.012 * size)
    return cv2.resize(soft, (side, side), interpolation=cv2.INTER_AREA)


def _filling(colour: tuple[int, int, int] | float, skin: tuple[int, int, int]) -> tuple[int, int, int]:
    """RGB of a part: its own, or the skin brighter or darker."""
    if isinstance(colour, tuple):
        return colour
    red, green, blue = (min(255, int(value * colour)) for value in skin)
    return red, green, blue


def iter_scene(resolution_wh: tuple[int, int], faces: int, frames: int) -> Iterator[np.ndarray]:
    """Frames in which faces of different skins sway, each (H, W, 3) uint8 RGB.

    Args:
        resolution_wh: width and height in pixels.
        faces: how many, 0 to MOST_FACES.
        frames: how many.
    """
    width, height = resolution_wh
    side = height // 3
    drawn = [draw_face(side, _SKINS[number % len(_SKINS)]) for number in range(faces)]
    wall = _wall(resolution_wh)
    sway = side // 16
    for index in range(frames):
        picture = wall.copy()
        for number, face in enumerate(drawn):
            column, row = number % 4, number // 4
            shift = round(sway * math.sin(index / 7 + number))
            left = round((column + 0.5) * width / 4 - side / 2) + shift
            top = round((row + 0.5) * height / 2 - side / 2) + sway // 2
            left = min(max(left, 0), width - side)
            picture[top : top + side, left : left + side] = face
        yield picture


def _wall(resolution_wh: tuple[int, int]) -> np.ndarray:
    """A plain wall with some grain, as a camera sees it; always the same."""
    width, height = resolution_wh
    grain = np.random.default_rng(1).normal(0, 3, (height, width, 1))
    return np.clip(np.array(_WALL) + grain, 0, 255).astype(np.uint8)
