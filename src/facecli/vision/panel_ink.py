"""Words and smooth shapes on a panel: Pillow writes (its own typeface), OpenCV draws."""

from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facecli.vision.colours import Colour

GROUND: Colour = (30, 31, 34)
SUNKEN: Colour = (46, 48, 52)
RULE: Colour = (84, 87, 93)
TEXT: Colour = (240, 241, 243)
QUIET: Colour = (168, 172, 179)
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
"""The second where Pillow was built without FreeType."""
_FRACTION = 4
"""Bits behind the point of OpenCV's coordinates: lines lie between pixels."""


class Ink:
    """Draws on a (h, w, 3) uint8 RGB array; words come last, all at once, in `finish`."""

    def __init__(self, panel: np.ndarray) -> None:
        """Takes a contiguous array, which is drawn on."""
        self.panel = panel
        self._words: list[tuple[tuple[float, float], str, _Font, Colour, str]] = []

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled rectangle; nothing when it has no width."""
        if right - left >= 0.5:
            corners = (round(left), round(top)), (max(round(right) - 1, round(left)), round(bottom) - 1)
            cv2.rectangle(self.panel, *corners, colour, cv2.FILLED)

    def line(self, points: np.ndarray, colour: Colour, width: int = 1) -> None:
        """An open line through (n, 2) x, y."""
        cv2.polylines(self.panel, [_fixed(points)], False, colour, width, cv2.LINE_AA, _FRACTION)

    def area(self, points: np.ndarray, colour: Colour) -> None:
        """A filled polygon with the corners (n, 2) x, y."""
        cv2.fillPoly(self.panel, [_fixed(points)], colour, cv2.LINE_AA, _FRACTION)

    def write(
        self, x: float, y: float, text: str, size: int, colour: Colour = TEXT, anchor: str = "ls"
    ) -> None:
        """A line of text; `anchor` is Pillow's: l, m, r for left, middle, right, then s for the base line."""
        self._words.append(((x, y), text, _font(size), colour, anchor))

    def finish(self) -> None:
        """Writes the words into the array."""
        picture = Image.fromarray(self.panel)
        pen = ImageDraw.Draw(picture)
        for place, text, font, colour, anchor in self._words:
            pen.text(place, text, fill=colour, font=font, anchor=anchor)
        self.panel[:] = np.asarray(picture)
        self._words.clear()


def text_width(text: str, size: int) -> float:
    """Pixels that a text takes at that size."""
    return _font(size).getlength(text)


def shortened(text: str, size: int, width: float) -> str:
    """The text, cut with three dots when it is wider than `width` pixels at that size."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(f"{text}...", size) > width:
        text = text[:-1]
    return f"{text}..."


@lru_cache(maxsize=64)
def _font(size: int) -> _Font:
    return ImageFont.load_default(size)


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(np.asarray(points, np.float64) * (1 << _FRACTION)).astype(np.int32)
