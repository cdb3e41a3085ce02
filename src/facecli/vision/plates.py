"""Labels: how large their letters and plates are, and how they are drawn."""

from collections.abc import Sequence

import cv2
import numpy as np

from facecli.vision.bars import Bar, Row
from facecli.vision.colours import DARK, LIGHT, Colour
from facecli.vision.place import Plate

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 21
"""Height in pixels of a capital letter of the font at scale 1."""
_TEXT_SHARE = 1 / 55
SMALLEST_TEXT, _LARGEST_TEXT = 8, 60
_BAR_LETTERS = 5.0
"""Length of a bar in letter heights."""
_BAR_GROUND: Colour = (75, 75, 75)
_MINOR_SHARE = 0.55
"""Brightness of the bar of a second class."""


def text_height(resolution_wh: tuple[int, int]) -> int:
    """Height of capital letters in pixels that suits a picture of this width and height."""
    width, height = resolution_wh
    return int(np.clip(round(min(width, height * 1.5) * _TEXT_SHARE), SMALLEST_TEXT, _LARGEST_TEXT))


def build_plate(rows: Sequence[Row], letter_height: int, resolution_wh: tuple[int, int]) -> Plate:
    """The size of a label with at least one row; letters shrink when it would not fit into the picture."""
    width, height = resolution_wh
    plate = _sized(rows, letter_height / _FONT_HEIGHT)
    shrink = min(1.0, width / plate.width, height / plate.height)
    if shrink < 1:
        plate = _sized(rows, plate.scale * shrink)
    return plate._replace(width=min(plate.width, width), height=min(plate.height, height))


def wrapped(parts: Sequence[str], letter_height: int, width: int, gap: str = "  ") -> list[Row]:
    """Parts side by side, in as many lines as a picture of that width needs."""
    rows: list[Row] = []
    for part in parts:
        longer = f"{rows[-1].text}{gap}{part}" if rows else part
        if rows and _sized([Row(longer)], letter_height / _FONT_HEIGHT).width <= width:
            rows[-1] = Row(longer)
        else:
            rows.append(Row(part))
    return rows


def draw_plate(image: np.ndarray, plate: Plate, corner: tuple[int, int], edge: Colour | None = None) -> None:
    """Draws into the picture itself.

    Args:
        image: (H, W, 3) uint8 RGB, contiguous.
        plate: what to draw.
        corner: its left and top in pixels.
        edge: colour of a stripe along its left side and of its bars; None for no stripe.
    """
    left, top = corner
    bottom = top + plate.height - 1
    cv2.rectangle(image, corner, (left + plate.width - 1, bottom), DARK, cv2.FILLED)
    if edge is not None:
        cv2.rectangle(image, corner, (left + max(2, plate.pad // 2) - 1, bottom), edge, cv2.FILLED)
    for number, line in enumerate(plate.lines, start=1):
        origin = left + plate.pad, top + number * plate.step - round(plate.step * 0.15)
        cv2.putText(image, line, origin, _FONT, plate.scale, LIGHT, _stroke(plate.scale), cv2.LINE_AA)
    for number, bar in enumerate(plate.bars):
        if bar is not None:
            start = left + plate.width - plate.pad - plate.bar_width
            _draw_bar(image, bar, (start, top + number * plate.step), plate, edge or LIGHT)


def _sized(rows: Sequence[Row], scale: float) -> Plate:
    lines = tuple(row.text for row in rows)
    bars = tuple(row.bar for row in rows)
    letters = scale * _FONT_HEIGHT
    pad, step = max(3, round(letters * 0.45)), max(3, round(letters * 1.6))
    widest = max(cv2.getTextSize(line, _FONT, scale, _stroke(scale))[0][0] for line in lines)
    bar_width = max(4, round(letters * _BAR_LETTERS)) if any(bars) else 0
    width = widest + 2 * pad + (bar_width + pad if bar_width else 0)
    return Plate(
        lines, scale, pad, step, width, len(lines) * step + pad, bars if bar_width else (), bar_width
    )


def _draw_bar(image: np.ndarray, bar: Bar, corner: tuple[int, int], plate: Plate, colour: Colour) -> None:
    """A bar right of a line whose upper edge is at `corner`, as high as its letters."""
    left, top = corner[0], corner[1] + round(plate.step * 0.3)
    bottom = corner[1] + round(plate.step * 0.85)
    start, end = (left + round(share * plate.bar_width) for share in (bar.low, bar.high))
    if not bar.main:
        red, green, blue = (round(_MINOR_SHARE * value) for value in colour)
        colour = red, green, blue
    cv2.rectangle(image, (left, top), (left + plate.bar_width - 1, bottom), _BAR_GROUND, cv2.FILLED)
    cv2.rectangle(image, (start, top), (max(end - 1, start), bottom), colour, cv2.FILLED)


def _stroke(scale: float) -> int:
    return max(1, round(scale * 1.6))
