"""What is written on pictures: colours, one font for all of it, and the dark plates that words stand on."""

import math
import unicodedata
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ImageFont

from facecli.core.arrays import Array
from facecli.core.faces import Face

Colour = tuple[int, int, int]

LIGHT: Colour = (255, 255, 255)
DARK: Colour = (20, 20, 20)
MUTED: Colour = (184, 188, 196)
PLAIN: Colour = (80, 230, 120)
"""A face outside of a stream."""
REJECTED: Colour = (150, 150, 150)
PALETTE: tuple[Colour, ...] = (
    (86, 180, 255),  # sky
    (255, 150, 40),  # orange
    (255, 120, 190),  # pink
    (245, 225, 65),  # yellow
    (40, 205, 185),  # teal
    (250, 90, 80),  # red
    (180, 140, 255),  # violet
    (165, 220, 60),  # lime
    (90, 125, 255),  # blue
    (225, 190, 155),  # sand
)
"""Bright, for the dark line around each box and the dark ground of labels; neighbours far apart."""

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
"""The second where Pillow was built without FreeType: one size only, whose letters are stretched."""
_BITMAP_SIZE = 11
_CAPITAL = 0.7
"""Height of a capital letter as a share of the font's size."""
_SPELT = {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
_SPELT |= {"đ": "d", "ð": "d", "þ": "th", "ı": "i", "–": "-", "—": "-", "−": "-", "×": "x"}
"""What the font lacks and Unicode does not take apart."""

_TEXT_SHARE = 1 / 55
SMALLEST_TEXT, _LARGEST_TEXT = 8, 60
_PAD, _LINE, _STRIPE = 0.7, 1.7, 0.25
"""Margin of a plate, distance of its lines, width of its stripe, in letter heights."""
_GROUND_OPACITY = 0.84
_BAR_LETTERS = 5.0
"""Length of a bar in letter heights."""
_BAR_GROUND: Colour = (75, 75, 75)
_MINOR_SHARE = 0.55
"""Brightness of the bar of a second class."""
_LARGEST_KEPT = 1 << 17
"""Pixels of a plate beyond which it is drawn anew each time, so that what is kept stays small."""


def face_colour(face: Face) -> Colour:
    """Grey for what was refused, else the colour of the track, always the same for its number.

    With more people than colours, some that came long after each other share one.
    """
    if face.rejected:
        return REJECTED
    return PLAIN if face.track is None else PALETTE[(face.track - 1) % len(PALETTE)]


class Rectangle(NamedTuple):
    """Pixels; right and bottom exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    def overlap(self, other: "Rectangle") -> int:
        """Shared area in pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0) * max(height, 0)


@lru_cache(maxsize=64)
def _font(size: int) -> _Font:
    try:
        return ImageFont.load_default(size)
    except ImportError:
        return ImageFont.load_default_imagefont()


@lru_cache(maxsize=2048)
def _drawn_as(character: str) -> str:
    """The character, or what stands for it where the font lacks it: "e" for "é", "?" for a foreign script."""
    if character.isspace():
        return " "
    if _in_font(character):
        return character
    if character in _SPELT:
        return _SPELT[character]
    parts = "".join(
        part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)
    )
    if unicodedata.combining(character):
        return ""
    return parts if parts and all(map(_in_font, parts)) else "?"


def _in_font(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    font = _font(20)
    if not isinstance(font, ImageFont.FreeTypeFont) or unicodedata.category(character)[0] == "C":
        return False
    return bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))


def drawable(text: str) -> str:
    """The text in letters that the font has; what it lacks is spelt with others, or is a question mark."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_drawn_as, text))


@lru_cache(maxsize=4096)
def text_width(text: str, size: int) -> float:
    """Pixels that a text takes at that size of the font."""
    font = _font(size)
    width = font.getlength(drawable(text))
    return width if isinstance(font, ImageFont.FreeTypeFont) else width * size / _BITMAP_SIZE


def shorten_text(text: str, size: int, width: float) -> str:
    """The text, cut with three dots when it is wider than `width` pixels at that size."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(f"{text}...", size) > width:
        text = text[:-1]
    return f"{text}..."


@lru_cache(maxsize=512)
def _ink(text: str, size: int) -> tuple[Array, int, int]:
    """Opacity (h, w) uint8 of a text, and where it lies, right of and below the start of its base line."""
    font, text = _font(size), drawable(text)
    if isinstance(font, ImageFont.FreeTypeFont):
        mask, (left, top) = font.getmask2(text, "L", anchor="ls")
        opacity = np.frombuffer(bytes(mask), np.uint8).reshape(mask.size[::-1])
        return opacity, int(left), int(top)
    mask = font.getmask(text, "L")
    opacity = np.frombuffer(bytes(mask), np.uint8).reshape(mask.size[::-1])
    scale = size / _BITMAP_SIZE
    if opacity.size:
        opacity = cv2.resize(opacity, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return opacity, 0, -round(0.8 * opacity.shape[0])


def write_text(
    image: Array,
    start: tuple[float, float],
    text: str,
    size: int,
    colour: Colour = LIGHT,
    anchor: str = "l",
) -> None:
    """Writes a line into the picture itself; what reaches out of it is cut off.

    Args:
        image: (H, W, 3) uint8 RGB.
        start: x and y in pixels; y is the base line.
        text: any; see `drawable`.
        size: of the font in pixels.
        colour: RGB.
        anchor: whether x is the text's left end, middle or right end: l, m, r.
    """
    opacity, left, top = _ink(text, size)
    shift = {"l": 0.0, "m": 0.5, "r": 1.0}[anchor] * text_width(text, size) if anchor != "l" else 0.0
    left, top = round(start[0] - shift) + left, round(start[1]) + top
    inside = image[max(top, 0) : top + opacity.shape[0], max(left, 0) : left + opacity.shape[1]]
    if left + opacity.shape[1] <= 0 or top + opacity.shape[0] <= 0 or not inside.size:
        return
    row, column = max(-top, 0), max(-left, 0)
    share = opacity[row : row + inside.shape[0], column : column + inside.shape[1], None].astype(np.uint16)
    inside[:] = (inside * (255 - share) + np.array(colour, np.uint16) * share + 127) // 255


def text_height(resolution_wh: tuple[int, int]) -> int:
    """Height of capital letters in pixels that suits a picture of this width and height."""
    width, height = resolution_wh
    return int(np.clip(round(min(width, height * 1.5) * _TEXT_SHARE), SMALLEST_TEXT, _LARGEST_TEXT))


class Tone(IntEnum):
    """How loud a word is: as what matters, as what is doubtful or less, or in the colour of its face."""

    MAIN = 0
    MUTED = 1
    FACE = 2


class Word(NamedTuple):
    """Part of a line, with the spaces around it."""

    text: str
    tone: Tone = Tone.MAIN


class LabelBar(NamedTuple):
    """What a row's bar is filled with, in shares of its length; `main` rows are the brighter ones."""

    low: float
    high: float
    main: bool = True


_ANY_BAR = LabelBar(0.0, 1.0)


class LabelRow(NamedTuple):
    """One line of a label; `bar` is None where there is nothing to measure."""

    words: tuple[Word, ...]
    bar: LabelBar | None = None

    @property
    def text(self) -> str:
        """All of the line."""
        return "".join(word.text for word in self.words)


def plain_row(text: str) -> LabelRow:
    """A line of one tone."""
    return LabelRow((Word(text),))


class Plate(NamedTuple):
    """A label before it has a place: its lines, size of the font, and sizes in pixels.

    Bars, where lines have them, stand to their right, `bar_width` wide.
    """

    rows: tuple[LabelRow, ...]
    size: int
    pad: int
    step: int
    width: int
    height: int
    bar_width: int = 0

    @property
    def lines(self) -> tuple[str, ...]:
        """The text of each line."""
        return tuple(row.text for row in self.rows)


class Side(IntEnum):
    """Where on a plate the stripe in the face's colour is: towards the face."""

    LEFT = 0
    RIGHT = 1
    TOP = 2
    BOTTOM = 3


def build_plate(rows: tuple[LabelRow, ...], letter_height: int, resolution_wh: tuple[int, int]) -> Plate:
    """The size of a label with at least one row; letters shrink when it would not fit into the picture."""
    plate = _fitted(_with_any_bars(rows), letter_height, resolution_wh)
    return plate._replace(rows=rows) if plate.bar_width else plate


def _with_any_bars(rows: tuple[LabelRow, ...]) -> tuple[LabelRow, ...]:
    """The rows as far as they are remembered: how long their bars are changes with every frame."""
    return tuple([row if row.bar is None else LabelRow(row.words, _ANY_BAR) for row in rows])


@lru_cache(maxsize=1024)
def _fitted(rows: tuple[LabelRow, ...], letter_height: int, resolution_wh: tuple[int, int]) -> Plate:
    width, height = resolution_wh
    size = max(1, round(letter_height / _CAPITAL))
    plate = _sized(rows, size)
    while size > 1 and (plate.width > width or plate.height > height):
        shrink = min(width / plate.width, height / plate.height)
        size = max(1, min(math.floor(size * shrink), size - 1))
        plate = _sized(rows, size)
    return plate._replace(width=min(plate.width, width), height=min(plate.height, height))


def _sized(rows: tuple[LabelRow, ...], size: int) -> Plate:
    letters = size * _CAPITAL
    pad, step = max(4, round(_PAD * letters)), max(3, round(_LINE * letters))
    widest = max(sum(text_width(word.text, size) for word in row.words) for row in rows)
    bar_width = max(4, round(letters * _BAR_LETTERS)) if any(row.bar for row in rows) else 0
    width = math.ceil(widest) + 2 * pad + (bar_width + pad if bar_width else 0)
    height = (len(rows) - 1) * step + math.ceil(letters) + 2 * pad
    return Plate(rows, size, pad, step, width, height, bar_width)


def wrap_text(parts: Sequence[str], letter_height: int, width: int, gap: str = "  ") -> tuple[LabelRow, ...]:
    """Parts side by side, in as many lines as a picture of that width needs."""
    lines: list[str] = []
    size = max(1, round(letter_height / _CAPITAL))
    for part in parts:
        longer = f"{lines[-1]}{gap}{part}" if lines else part
        if lines and _sized((plain_row(longer),), size).width <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return tuple(map(plain_row, lines))


def draw_plate(
    image: Array,
    plate: Plate,
    corner: tuple[int, int],
    edge: Colour | None = None,
    side: Side = Side.LEFT,
) -> None:
    """Draws into the picture itself; the ground lets a little of it through.

    Args:
        image: (H, W, 3) uint8 RGB.
        plate: what to draw.
        corner: its left and top in pixels, inside the picture.
        edge: colour of a stripe along one side, of bars and of words in the face's tone; None for no stripe.
        side: where the stripe is.
    """
    left, top = corner
    place = image[top : top + plate.height, left : left + plate.width]
    height, width = place.shape[:2]
    if not place.size:
        return
    bare = plate._replace(rows=_with_any_bars(plate.rows)) if plate.bar_width else plate
    small = plate.width * plate.height <= _LARGEST_KEPT
    ink = (_painted if small else _painted.__wrapped__)(bare, edge, side)[:height, :width]
    rows, columns, outside = _corners((width, height), max(1, round(0.4 * plate.pad)))
    before = place[rows, columns]
    # Words are brighter than what the ground lets through.
    shaded = cv2.convertScaleAbs(place, alpha=1 - _GROUND_OPACITY, beta=_GROUND_OPACITY * DARK[0])
    np.maximum(shaded, ink, out=place)
    place[rows, columns] = before * outside + place[rows, columns] * (1 - outside)
    if plate.bar_width:
        _draw_bars(image, plate, corner, edge or LIGHT)


@lru_cache(maxsize=128)
def _painted(plate: Plate, edge: Colour | None, side: Side) -> Array:
    """Words and stripe of a plate, (h, w, 3) uint8, the rest black."""
    ink = np.zeros((plate.height, plate.width, 3), np.uint8)
    if edge is not None:
        _strip(ink, max(2, round(_STRIPE * plate.size * _CAPITAL)), side)[:] = edge
    tones = {Tone.MAIN: LIGHT, Tone.MUTED: MUTED, Tone.FACE: edge or LIGHT}
    letters = math.ceil(plate.size * _CAPITAL)
    for number, row in enumerate(plate.rows):
        x, base = float(plate.pad), plate.pad + letters + number * plate.step
        for word in row.words:
            written, left, top = _coloured(word.text, plate.size, tones[word.tone])
            left, top = round(x) + left, base + top
            place = ink[max(top, 0) : top + len(written), max(left, 0) : left + written.shape[1]]
            # A word that does not fit, on a plate that is as large as its picture, is cut off.
            place[:] = written[max(-top, 0) :, max(-left, 0) :][: place.shape[0], : place.shape[1]]
            x += text_width(word.text, plate.size)
        if row.bar is not None:
            ground = Rectangle(
                plate.width - plate.pad - plate.bar_width, base - letters, plate.width - plate.pad, base
            )
            _fill(ink, ground, _BAR_GROUND)
    return ink


@lru_cache(maxsize=512)
def _coloured(text: str, size: int, colour: Colour) -> tuple[Array, int, int]:
    """A text on black, (h, w, 3) uint8, and where it lies: see `_ink`."""
    opacity, left, top = _ink(text, size)
    shades = np.rint(np.arange(256)[:, None] / 255 * np.array(colour)).astype(np.uint8)
    return shades[opacity], left, top


def _strip(layer: Array, width: int, side: Side) -> Array:
    """The pixels along one side."""
    if side in (Side.TOP, Side.BOTTOM):
        return layer[:width] if side is Side.TOP else layer[-width:]
    return layer[:, :width] if side is Side.LEFT else layer[:, -width:]


def _draw_bars(image: Array, plate: Plate, corner: tuple[int, int], colour: Colour) -> None:
    """What bars are filled with; their ground is there."""
    left, letters = corner[0] + plate.width - plate.pad - plate.bar_width, math.ceil(plate.size * _CAPITAL)
    red, green, blue = (round(_MINOR_SHARE * value) for value in colour)
    for number, row in enumerate(plate.rows):
        if row.bar is not None:
            top = corner[1] + plate.pad + number * plate.step
            start, end = (
                left + round(row.bar.low * plate.bar_width),
                left + round(row.bar.high * plate.bar_width),
            )
            filled = Rectangle(start, top, max(end, start + 1), top + letters)
            _fill(image, filled, colour if row.bar.main else (red, green, blue))


def _fill(image: Array, place: Rectangle, colour: Colour) -> None:
    cv2.rectangle(image, place[:2], (place.right - 1, place.bottom - 1), colour, cv2.FILLED)


@lru_cache(maxsize=512)
def _corners(size_wh: tuple[int, int], radius: int) -> tuple[Array, Array, Array]:
    """Rows and columns (n,) of the pixels at a plate's corners, and how much of each lies outside, (n, 1)."""
    width, height = size_wh
    radius = min(radius, width // 2, height // 2)
    steps = np.arange(radius)
    away = np.hypot(radius - steps[:, None] - 0.5, radius - steps[None, :] - 0.5)
    outside = np.clip(away - radius + 0.5, 0, 1)
    rows, columns = np.nonzero(outside)
    shares = np.tile(outside[rows, columns], 4)[:, None]
    flipped = height - 1 - rows, width - 1 - columns
    return np.r_[rows, rows, flipped[0], flipped[0]], np.r_[columns, flipped[1], columns, flipped[1]], shares
