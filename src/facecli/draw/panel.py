"""A face's panel: its crop, the curve of its ages, and how probable every class is."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facecli.core.attributes import MAX_AGE_YEARS
from facecli.core.crops import crop_face
from facecli.core.faces import FACE_HEADS, UNCERTAIN, Face, likeliest
from facecli.draw.layout import (
    DARK,
    Colour,
    LabelRow,
    Rectangle,
    build_plate,
    draw_plate,
    face_colour,
    text_height,
)

GROUND: Colour = (30, 31, 34)
SUNKEN: Colour = (46, 48, 52)
RULE: Colour = (84, 87, 93)
TEXT: Colour = (240, 241, 243)
QUIET: Colour = (168, 172, 179)
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
"""The second where Pillow was built without FreeType."""
_FRACTION = 4
"""Bits behind the point of OpenCV's coordinates: lines lie between pixels."""

LINE = 1.5
"""Height of a line in letter heights."""
_APART = 0.4
"""Room between two heads, in lines."""
_NAMES = 4.6
"""Room for the names of classes, in letter heights."""
_YEARS_APART = 20
_INTERVAL_SHARE, _CURVE_SHARE = 0.28, 0.62
"""How much of the face's colour is in the interval's ground and in the area below the curve."""

_WIDTH, _CROP, _PAD, _HEAD = 36, 11, 1.0, 2.4
"""In letter heights."""
_CROP_MARGIN = 0.15

_SMALLEST = 12
"""Letters of a panel in pixels: smaller ones are not read."""
_LARGEST = 40
_AREA = 1.2
"""Panels may take so many times the picture's area before their letters get smaller."""
_GAP = 0.5
"""Between panels, in letter heights."""


class PanelInk:
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


def shorten_text(text: str, size: int, width: float) -> str:
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


class PanelStyle(NamedTuple):
    """Height of the letters in pixels, and the colour of the face."""

    letters: int
    colour: Colour


def draw_age_curve(ink: PanelInk, place: Rectangle, face: Face, style: PanelStyle) -> None:
    """Probability by year, the 90 % interval behind it, the expectation as a line; nothing without an age."""
    if face.age_years is None:
        return
    left, right = place.left, place.right - 1
    base, top = place.bottom - round(1.7 * style.letters), place.top

    def across(years: float) -> float:
        return left + (right - left) * min(max(years, 0), MAX_AGE_YEARS) / MAX_AGE_YEARS

    ink.box(left, top, right + 1, base, SUNKEN)
    low, high = face.age_interval_90 or (face.age_years, face.age_years)
    # Ages are whole years: the interval holds all of its last one.
    ink.box(across(low - 0.5), top, across(high + 0.5), base, _mixed(SUNKEN, style.colour, _INTERVAL_SHARE))
    if face.age_distribution is not None:
        heights = np.asarray(face.age_distribution) / max(face.age_distribution)
        curve = np.array(
            [(across(year), base - 0.92 * (base - top) * share) for year, share in enumerate(heights)]
        )
        ink.area(np.array([(left, base), *curve, (right, base)]), _mixed(SUNKEN, style.colour, _CURVE_SHARE))
        ink.line(curve, style.colour, max(1, style.letters // 9))
    expected = across(face.age_years)
    ink.line(np.array([(expected, top), (expected, base)]), TEXT, max(1, style.letters // 10))
    for years in range(0, MAX_AGE_YEARS + 1, _YEARS_APART):
        ink.line(np.array([(across(years), base), (across(years), base + style.letters // 4)]), RULE)
        anchor = "ls" if years == 0 else "ms"
        ink.write(across(years), place.bottom - 2, str(years), round(0.85 * style.letters), QUIET, anchor)


def bar_lines(face: Face, heads: Sequence[str]) -> float:
    """Lines that `draw_bars` needs for these heads; 0 when the face has none of them."""
    shown = [probabilities for head in heads if (probabilities := face.probabilities(head))]
    return sum(len(probabilities) + 1 for probabilities in shown) + _APART * max(len(shown) - 1, 0)


def draw_bars(
    ink: PanelInk,
    place: Rectangle,
    face: Face,
    heads: Sequence[str],
    style: PanelStyle,
) -> None:
    """A heading for each head that the face has, then name, bar and percentage of every class."""
    line = round(LINE * style.letters)
    y = place.top
    for head in heads:
        probabilities = face.probabilities(head)
        if not probabilities:
            continue
        label = getattr(face, head)
        sure = head not in face.uncertain
        heading = head if sure else f"{head}: {UNCERTAIN}"
        ink.write(place.left, y + round(1.1 * style.letters), heading, style.letters, QUIET)
        y += line
        start = place.left + _names_width(probabilities, style.letters)
        for name, share in probabilities.items():
            row = Rectangle(place.left, y, place.right, y + line)
            _draw_bar(ink, row, start, (name, share), sure and name == label, style)
            y += line
        y += round(_APART * line)


def _names_width(names: Iterable[str], letters: int) -> int:
    """Pixels before the bars of a head: the same for all heads with short names."""
    longest = max(text_width(name, letters) for name in names)
    return round(max(_NAMES * letters, longest + 0.5 * letters))


def _draw_bar(
    ink: PanelInk, row: Rectangle, start: int, named: tuple[str, float], chosen: bool, style: PanelStyle
) -> None:
    """A class's name, its bar from `start` on, and how probable it is."""
    name, share = named
    baseline = row.top + round(1.1 * style.letters)
    colour = TEXT if chosen else QUIET
    end = row.right - round(2.9 * style.letters)
    top, bottom = row.top + round(0.28 * style.letters), row.top + round(1.2 * style.letters)
    ink.write(row.left, baseline, name, style.letters, colour)
    ink.box(start, top, end, bottom, SUNKEN)
    bar = style.colour if chosen else _mixed(SUNKEN, style.colour, 0.5)
    ink.box(start, top, start + (end - start) * share, bottom, bar)
    ink.write(row.right, baseline, percent(share), style.letters, colour, "rs")


def percent(share: float) -> str:
    """ "98 %"; what is neither nothing nor everything is not called so."""
    rounded = round(100 * share)
    if rounded == 0 and share > 0.0005:
        return "< 1 %"
    return f"{rounded} %"


def _mixed(ground: Colour, colour: Colour, share: float) -> Colour:
    red, green, blue = (
        round((1 - share) * below + share * above) for below, above in zip(ground, colour, strict=True)
    )
    return red, green, blue


def draw_panel(
    image_rgb: np.ndarray,
    face: Face,
    title: str,
    colour: Colour,
    letters: int,
) -> np.ndarray:
    """Draws one panel.

    Args:
        image_rgb: (H, W, 3) uint8, the picture that the face is in.
        face: with `age_distribution` it has a curve, without it only the interval.
        title: stands first, such as the number of the face.
        colour: of the face's box.
        letters: height of the letters in pixels, 6 or more.

    Returns:
        (height, width, 3) uint8 RGB; all panels of one `letters` are equally wide.
    """
    unit = _Units(letters)
    height = unit(_PAD + _HEAD + _body(face) + _PAD)
    panel = np.full((height, unit(_WIDTH), 3), GROUND, np.uint8)
    ink = PanelInk(panel)
    ink.box(0, 0, max(3, unit(0.3)), height, colour)
    _draw_head(ink, face, title, colour, unit)
    _paste_crop(panel, image_rgb, face, unit)
    style, left = PanelStyle(letters, colour), unit(2 * _PAD + _CROP + 0.3)
    area = Rectangle(left, unit(_PAD + _HEAD), unit(_WIDTH - _PAD), unit(_PAD + _HEAD + _CROP))
    draw_age_curve(ink, area, face, style)
    top, middle = unit(_PAD + _HEAD + _CROP + _PAD), unit(_WIDTH / 2)
    columns = _columns(face)
    spans = ((unit(1.3 * _PAD), middle - unit(0.6)), (middle + unit(0.6), unit(_WIDTH - _PAD)))
    for heads, (start, end) in zip(columns, spans, strict=True):
        draw_bars(ink, Rectangle(start, top, end, height), face, heads, style)
    ink.finish()
    return panel


def panel_size(face: Face, letters: int) -> tuple[int, int]:
    """(width, height) in pixels of the panel that `draw_panel` makes."""
    unit = _Units(letters)
    return unit(_WIDTH), unit(_PAD + _HEAD + _body(face) + _PAD)


class _Units:
    """Letter heights in pixels."""

    def __init__(self, letters: int) -> None:
        self.letters = letters

    def __call__(self, heights: float) -> int:
        return round(heights * self.letters)


def _columns(face: Face) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Heads on the left and on the right, in their order, so that the longer column is as short as can be."""
    heads = tuple(head for head in FACE_HEADS if face.probabilities(head))
    return min(
        ((heads[:count], heads[count:]) for count in range(len(heads), -1, -1)),
        key=lambda columns: max(bar_lines(face, one) for one in columns),
    )


def _body(face: Face) -> float:
    """Height below the title, in letter heights."""
    lines = max(bar_lines(face, heads) for heads in _columns(face))
    return _CROP + (_PAD + LINE * lines if lines else 0.0)


def _draw_head(ink: PanelInk, face: Face, title: str, colour: Colour, unit: _Units) -> None:
    base, size = unit(_PAD + 1.2), unit(1.25)
    ink.write(unit(1.3 * _PAD), base, title, size, colour)
    start = unit(2 * _PAD + _CROP + 0.3)
    text, quiet = _summary(face)
    width = unit(_WIDTH - _PAD) - start
    ink.write(start, base, shorten_text(text, size, width), size, TEXT)
    ink.write(
        unit(_WIDTH - _PAD), base, shorten_text(quiet, unit.letters, width / 2), unit.letters, QUIET, "rs"
    )


def _summary(face: Face) -> tuple[str, str]:
    """What is written above the curve, large and small."""
    if face.rejected:
        return face.rejection(), ""
    if face.age_years is None:
        return "", ""
    low, high = face.age_interval_90 or (face.age_years, face.age_years)
    return f"{face.whole_years} years  (90 %: {low:.0f}-{high:.0f})", _band(face)


def _band(face: Face) -> str:
    """The most probable band of years; "" when none were asked for."""
    if not face.age_bands:
        return ""
    name, share = likeliest(face.age_bands)
    return f"{name}: {percent(share)}"


def _paste_crop(panel: np.ndarray, image_rgb: np.ndarray, face: Face, unit: _Units) -> None:
    side, left, top = unit(_CROP), unit(1.3 * _PAD), unit(_PAD + _HEAD)
    x_min, y_min, x_max, y_max = face.box_xyxy
    if x_max > x_min and y_max > y_min:
        crop = crop_face(image_rgb, face.box_xyxy, _CROP_MARGIN, (side, side))
        panel[top : top + side, left : left + side] = crop
    else:
        cv2.rectangle(panel, (left, top), (left + side - 1, top + side - 1), QUIET)


class PanelGrid(NamedTuple):
    """Where panels go: right of the picture or below it, in so many columns."""

    right: bool
    columns: int
    width: int
    height: int


def draw_details(image_rgb: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """Numbers the boxes in a copy of the picture and adds everything that is known of each face.

    Args:
        image_rgb: (H, W, 3) uint8; it is not changed.
        faces: may be empty; compared ones (`by_model`) have a panel for each model, side by side.

    Returns:
        (H or more, W or more, 3) uint8 RGB. The picture keeps its place in the upper left corner,
        and its size.
    """
    height, width = image_rgb.shape[:2]
    drawn = np.ascontiguousarray(image_rgb).copy()
    # The number of a face gives it the colour that a track of that number has.
    numbered = [replace(face, track=index + 1) for index, face in enumerate(faces)]
    for face in numbered:
        _draw_box(drawn, face)
    if not numbered:
        return drawn
    letters = _letters(numbered, (width, height))
    block_width, block_height = _block_size(numbered, letters)
    grid = _best_grid(len(numbered), (width, height), (block_width, block_height))
    sheet = np.full((grid.height, grid.width, 3), GROUND, np.uint8)
    sheet[:height, :width] = drawn
    left, top = (width, 0) if grid.right else (0, height)
    for index, face in enumerate(numbered):
        row, column = divmod(index, grid.columns)
        block = _draw_block(image_rgb, face, letters)
        x, y = left + column * block_width, top + row * block_height
        sheet[y : y + block.shape[0], x : x + block.shape[1]] = block
    return sheet


def _draw_box(image: np.ndarray, face: Face) -> None:
    """A box in the face's colour, its number in the corner."""
    resolution_wh = image.shape[1], image.shape[0]
    letters = text_height(resolution_wh)
    line = max(1, round(letters / 6))
    x_min, y_min, x_max, y_max = (int(value) for value in face.box_xyxy)
    corners = (x_min, y_min), (x_max - 1, y_max - 1)
    cv2.rectangle(image, *corners, DARK, line + 2 * max(1, line // 2), cv2.LINE_AA)
    cv2.rectangle(image, *corners, face_colour(face), line, cv2.LINE_AA)
    plate = build_plate([LabelRow(str(face.track))], letters, resolution_wh)
    x = max(0, min(x_min, resolution_wh[0] - plate.width))
    draw_plate(image, plate, (x, max(0, y_min - plate.height)), face_colour(face))


def _said(face: Face) -> list[tuple[str, Face]]:
    """Title and content of each panel of a face."""
    if face.by_model is None:
        return [(str(face.track), face)]
    return [
        (f"{face.track}  {name}", replace(said, track=face.track)) for name, said in face.by_model.items()
    ]


def _letters(faces: Sequence[Face], resolution_wh: tuple[int, int]) -> int:
    """The largest letters that leave the panels in proportion to the picture."""
    largest = min(max(text_height(resolution_wh), _SMALLEST), _LARGEST)
    for letters in range(largest, _SMALLEST, -1):
        block_width, block_height = _block_size(faces, letters)
        if len(faces) * block_width * block_height <= _AREA * resolution_wh[0] * resolution_wh[1]:
            return letters
    return _SMALLEST


def _block_size(faces: Sequence[Face], letters: int) -> tuple[int, int]:
    """Width and height in pixels that every face gets, gaps included."""
    gap = max(1, round(_GAP * letters))
    sizes = [[panel_size(said, letters) for _, said in _said(face)] for face in faces]
    width = max(sum(width + gap for width, _ in panels) for panels in sizes)
    return width, max(height for panels in sizes for _, height in panels) + gap


def _best_grid(count: int, resolution_wh: tuple[int, int], block_wh: tuple[int, int]) -> PanelGrid:
    """The arrangement with the least area; to the right when equal."""
    width, height = resolution_wh
    grids = []
    for columns in range(1, count + 1):
        across, down = columns * block_wh[0], math.ceil(count / columns) * block_wh[1]
        grids.append(PanelGrid(True, columns, width + across, max(height, down)))
        grids.append(PanelGrid(False, columns, max(width, across), height + down))
    return min(grids, key=lambda grid: grid.width * grid.height)


def _draw_block(image_rgb: np.ndarray, face: Face, letters: int) -> np.ndarray:
    """The panels of a face side by side, on a ground of their own."""
    gap = max(1, round(_GAP * letters))
    panels = [draw_panel(image_rgb, said, title, face_colour(face), letters) for title, said in _said(face)]
    height = max(panel.shape[0] for panel in panels)
    block = np.full((height + gap, sum(panel.shape[1] + gap for panel in panels), 3), GROUND, np.uint8)
    left = gap
    for panel in panels:
        block[gap : gap + panel.shape[0], left : left + panel.shape[1]] = panel
        left += panel.shape[1] + gap
    return block
