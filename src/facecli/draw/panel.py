"""A face's panel: its crop, the curve of its ages, and how probable every class is."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from facecli.core.arrays import Array
from facecli.core.attributes import MAX_AGE_YEARS, NAMED_HEADS
from facecli.core.crops import crop_face
from facecli.core.faces import UNCERTAIN, Face, in_words, likeliest, percent, with_further
from facecli.draw.annotate import draw_labelled
from facecli.draw.plates import (
    SMALLEST_TEXT,
    Colour,
    Rectangle,
    build_plate,
    face_colour,
    plain_row,
    shorten_text,
    text_height,
    text_width,
    write_text,
)

GROUND: Colour = (30, 31, 34)
SUNKEN: Colour = (46, 48, 52)
RULE: Colour = (84, 87, 93)
TEXT: Colour = (240, 241, 243)
QUIET: Colour = (168, 172, 179)
_FRACTION = 4
"""Bits behind the point of OpenCV's coordinates: lines lie between pixels."""

LINE = 1.5
"""Height of a line in letter heights."""
_APART = 0.4
"""Room between two heads, in lines."""
_NAMES = 4.6
"""Room for the names of classes, in letter heights."""
_WIDEST_NAMES = 0.55
"""Share of a column that names of classes may take; longer ones are shortened."""
_MOST_BARS = 12
"""Of a head with more classes the most probable ones are drawn."""
_YEARS_APART = 20
_INTERVAL_SHARE, _CURVE_SHARE = 0.28, 0.62
"""How much of the face's colour is in the interval's ground and in the area below the curve."""

_WIDTH, _CROP, _PAD, _HEAD = 36, 11, 1.0, 2.4
"""In letter heights."""
_CROP_MARGIN = 0.15

_SMALLEST = 12
"""Letters of a panel in pixels: smaller ones are not read."""
_LEAST = 6
"""With a small `label_size`."""
_LARGEST = 40
_AREA = 1.2
"""Panels may take so many times the picture's area before their letters get smaller."""
_GAP = 0.5
"""Between panels, in letter heights."""
_SIDE_BY_SIDE = 3
"""Of a face that many models have read, so many panels stand in a line."""
_LITTLE_SMALLER = 0.85
_LONGEST = 2.0
"""A sheet is rarely so many times as long as it is wide."""
_NUMBER, _ROW_CROP = 2.2, 3.6
"""Of a row: room for the number and side of the crop, in letter heights."""


class PanelInk:
    """Draws on a (h, w, 3) uint8 RGB array; words come last, all at once, in `finish`."""

    def __init__(self, panel: Array) -> None:
        """Takes a contiguous array, which is drawn on."""
        self.panel = panel
        self._words: list[tuple[tuple[float, float], str, int, Colour, str]] = []

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled rectangle; nothing when it has no width."""
        if right - left >= 0.5:
            corners = (round(left), round(top)), (max(round(right) - 1, round(left)), round(bottom) - 1)
            cv2.rectangle(self.panel, *corners, colour, cv2.FILLED)

    def line(self, points: Array, colour: Colour, width: int = 1) -> None:
        """An open line through (n, 2) x, y."""
        cv2.polylines(self.panel, [_fixed(points)], False, colour, width, cv2.LINE_AA, _FRACTION)

    def area(self, points: Array, colour: Colour) -> None:
        """A filled polygon with the corners (n, 2) x, y."""
        cv2.fillPoly(self.panel, [_fixed(points)], colour, cv2.LINE_AA, _FRACTION)

    def write(
        self, x: float, y: float, text: str, size: int, colour: Colour = TEXT, anchor: str = "l"
    ) -> None:
        """A line of text whose base line is y; `anchor` as for `write_text`."""
        self._words.append(((x, y), text, size, colour, anchor))

    def finish(self) -> None:
        """Writes the words into the array."""
        for words in self._words:
            write_text(self.panel, *words)
        self._words.clear()


def _fixed(points: Array) -> Array:
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
        anchor = "l" if years == 0 else "m"
        ink.write(across(years), place.bottom - 2, str(years), round(0.85 * style.letters), QUIET, anchor)


def _shown_classes(probabilities: Mapping[str, float]) -> Mapping[str, float]:
    """All classes of a head, in its order; of very many those that are most probable."""
    if len(probabilities) <= _MOST_BARS:
        return probabilities
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    return dict(ranked[:_MOST_BARS])


def bar_lines(face: Face, heads: Sequence[str]) -> float:
    """Lines that `draw_bars` needs for these heads; 0 when the face has none of them."""
    shown = [_shown_classes(probabilities) for head in heads if (probabilities := face.probabilities(head))]
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
        probabilities = _shown_classes(face.probabilities(head) or {})
        if not probabilities:
            continue
        label = face.likeliest_class(head)
        sure = head not in face.uncertain
        heading = head if sure else f"{head}: {UNCERTAIN}"
        ink.write(place.left, y + round(1.1 * style.letters), heading, style.letters, QUIET)
        y += line
        widest = round(_WIDEST_NAMES * (place.right - place.left))
        start = place.left + min(_names_width(probabilities, style.letters), widest)
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
    ink.write(row.left, baseline, shorten_text(name, style.letters, start - row.left), style.letters, colour)
    ink.box(start, top, end, bottom, SUNKEN)
    bar = style.colour if chosen else _mixed(SUNKEN, style.colour, 0.5)
    ink.box(start, top, start + (end - start) * share, bottom, bar)
    ink.write(row.right, baseline, percent(share), style.letters, colour, "r")


def _mixed(ground: Colour, colour: Colour, share: float) -> Colour:
    red, green, blue = (
        round((1 - share) * below + share * above) for below, above in zip(ground, colour, strict=True)
    )
    return red, green, blue


def draw_panel(
    image_rgb: Array,
    face: Face,
    title: str,
    colour: Colour,
    letters: int,
) -> Array:
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
    _paste_crop(panel, image_rgb, face, (unit(1.3 * _PAD), unit(_PAD + _HEAD)), unit(_CROP))
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
    heads = tuple(head for head in face.heads if face.probabilities(head))
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
        unit(_WIDTH - _PAD), base, shorten_text(quiet, unit.letters, width / 2), unit.letters, QUIET, "r"
    )


def _summary(face: Face) -> tuple[str, str]:
    """What is written above the curve, large and small."""
    if face.rejected:
        return face.rejection(), ""
    if face.age_years is None:
        return "", ""
    interval = f"  (90 %: {face.interval_label()})" if face.age_interval_90 else ""
    return f"{face.whole_years} years{interval}", _band(face)


def _band(face: Face) -> str:
    """The most probable band of years; "" when none were asked for."""
    if not face.age_bands:
        return ""
    name, share = likeliest(face.age_bands)
    return f"{name}: {percent(share)}"


def _paste_crop(panel: Array, image_rgb: Array, face: Face, corner: tuple[int, int], side: int) -> None:
    """The face as a square whose left and top are at `corner`; a frame for a box without a size."""
    left, top = corner
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


def draw_details(image_rgb: Array, faces: Sequence[Face], label_size: float = 1.0) -> Array:
    """Numbers the boxes in a copy of the picture and adds everything that is known of each face.

    Args:
        image_rgb: (H, W, 3) uint8; it is not changed.
        faces: may be empty; compared ones (`by_model`) have a panel for each model, side by side.
        label_size: of the letters, relative to what suits the picture.

    Returns:
        (H or more, W or more, 3) uint8 RGB. The picture keeps its place in the upper left corner,
        and its size.
    """
    return _draw_sheet(image_rgb, faces, _PANELS, label_size)


def draw_compared(image_rgb: Array, faces: Sequence[Face], label_size: float = 1.0) -> Array:
    """Numbers the boxes and adds a row for each face: its crop, and a line of what each model says.

    Arguments and result are those of `draw_details`.
    """
    return _draw_sheet(image_rgb, faces, _ROWS, label_size)


class _BlockKind(NamedTuple):
    """What every face gets below or beside the picture.

    Attributes:
        size: faces, letters -> width and height in pixels that hold the block of any of them.
        draw: picture, all faces, number of one of them, letters -> its block, no larger than that.
    """

    size: Callable[[Sequence[Face], int], tuple[int, int]]
    draw: Callable[[Array, Sequence[Face], int, int], Array]


def _draw_sheet(image_rgb: Array, faces: Sequence[Face], kind: _BlockKind, label_size: float) -> Array:
    height, width = image_rgb.shape[:2]
    drawn = np.ascontiguousarray(image_rgb).copy()
    # The number of a face gives it the colour that a track of that number has.
    numbered = [replace(face, track=index + 1) for index, face in enumerate(faces)]
    if not numbered:
        return drawn
    size = _number_letters(numbered, (width, height)) * label_size
    numbers = [
        [build_plate((plain_row(str(face.track)),), max(1, round(size)), (width, height))]
        for face in numbered
    ]
    draw_labelled(drawn, numbered, numbers)
    letters, grid = _arranged(numbered, (width, height), kind, label_size)
    block_width, block_height = kind.size(numbered, letters)
    sheet = np.full((grid.height, grid.width, 3), GROUND, np.uint8)
    sheet[:height, :width] = drawn
    left, top = (width, 0) if grid.right else (0, height)
    for index in range(len(numbered)):
        row, column = divmod(index, grid.columns)
        block = kind.draw(image_rgb, numbered, index, letters)
        x, y = left + column * block_width, top + row * block_height
        sheet[y : y + block.shape[0], x : x + block.shape[1]] = block
    return sheet


def _number_letters(faces: Sequence[Face], resolution_wh: tuple[int, int]) -> float:
    """Of the numbers beside boxes: as the picture has room for, less for small faces."""
    widths = sorted(face.box_xyxy[2] - face.box_xyxy[0] for face in faces)
    return max(SMALLEST_TEXT, min(text_height(resolution_wh), 0.2 * widths[len(widths) // 2]))


def _letters(
    faces: Sequence[Face], resolution_wh: tuple[int, int], kind: _BlockKind, label_size: float
) -> int:
    """The largest letters that leave the blocks in proportion to the picture."""
    largest = min(max(text_height(resolution_wh), _SMALLEST), _LARGEST)
    for letters in range(largest, _SMALLEST, -1):
        block_width, block_height = kind.size(faces, letters)
        if len(faces) * block_width * block_height <= _AREA * resolution_wh[0] * resolution_wh[1]:
            break
    else:
        letters = _SMALLEST
    return max(_LEAST, round(letters * label_size))


def _arranged(
    faces: Sequence[Face], resolution_wh: tuple[int, int], kind: _BlockKind, label_size: float
) -> tuple[int, PanelGrid]:
    """Letters, perhaps a little smaller than they could be, and grid that leave least of the sheet empty."""
    largest = _letters(faces, resolution_wh, kind, label_size)
    choices = []
    for letters in range(largest, max(_LEAST, round(_LITTLE_SMALLER * largest)) - 1, -1):
        block = kind.size(faces, letters)
        grid = _best_grid(len(faces), resolution_wh, block)
        used = resolution_wh[0] * resolution_wh[1] + len(faces) * block[0] * block[1]
        choices.append((grid.width * grid.height / used, letters, grid))
    _, letters, grid = min(choices, key=lambda choice: choice[0])
    return letters, grid


def _best_grid(count: int, resolution_wh: tuple[int, int], block_wh: tuple[int, int]) -> PanelGrid:
    """The arrangement with the least area that is no strip; to the right when equal."""
    width, height = resolution_wh
    grids = []
    for columns in range(1, count + 1):
        across, down = columns * block_wh[0], math.ceil(count / columns) * block_wh[1]
        grids.append(PanelGrid(True, columns, width + across, max(height, down)))
        grids.append(PanelGrid(False, columns, max(width, across), height + down))

    def cost(grid: PanelGrid) -> float:
        longer, shorter = max(grid.width, grid.height), min(grid.width, grid.height)
        return grid.width * grid.height * max(1.0, longer / (_LONGEST * shorter))

    return min(grids, key=cost)


def _said(face: Face) -> list[tuple[str, Face]]:
    """Who says what of a face, with its number; nobody in particular when no models were compared."""
    if face.by_model is None:
        return [("", face)]
    return [(name, replace(said, track=face.track)) for name, said in face.by_model.items()]


def _panels_size(faces: Sequence[Face], letters: int) -> tuple[int, int]:
    """Width and height in pixels that every face gets, gaps included."""
    gap = max(1, round(_GAP * letters))
    cells = [panel_size(said, letters) for face in faces for _, said in _said(face)]
    most = max(len(_said(face)) for face in faces)
    columns = min(most, _SIDE_BY_SIDE)
    across, down = max(width for width, _ in cells) + gap, max(height for _, height in cells) + gap
    return columns * across, math.ceil(most / columns) * down


def _draw_panels(image_rgb: Array, faces: Sequence[Face], index: int, letters: int) -> Array:
    """The panels of a face side by side, in as many lines as they need, on a ground of their own."""
    gap, face = max(1, round(_GAP * letters)), faces[index]
    titled = [(f"{face.track}  {name}".rstrip(), said) for name, said in _said(face)]
    panels = [draw_panel(image_rgb, said, title, face_colour(face), letters) for title, said in titled]
    width, height = _panels_size(faces, letters)
    block = np.full((height, width, 3), GROUND, np.uint8)
    across = panels[0].shape[1] + gap
    down = height // math.ceil(max(len(_said(one)) for one in faces) / (width // across))
    for number, panel in enumerate(panels):
        row, column = divmod(number, width // across)
        x, y = gap + column * across, gap + row * down
        block[y : y + panel.shape[0], x : x + panel.shape[1]] = panel
    return block


_PANELS = _BlockKind(_panels_size, _draw_panels)


def _named_heads(faces: Sequence[Face]) -> tuple[str, ...]:
    """The heads that have a column: alike for all faces."""
    return with_further(
        NAMED_HEADS, (head for face in faces for _, one in _said(face) for head in one.further)
    )


def _row_cells(name: str, face: Face, heads: Sequence[str]) -> list[tuple[str, Colour]]:
    """Model, age and the label of each head; what is uncertain is its name with a question mark."""
    if face.rejected:
        return [(name, QUIET), (face.rejection(), QUIET)]
    age = "" if face.whole_years is None else f"{face.whole_years} ({face.interval_label()})"
    cells = [(name, QUIET), (age, TEXT)]
    if band := face.band_label():
        cells.append(("age group?", QUIET) if band == UNCERTAIN else (band, TEXT))
    for head in heads:
        label = face.label(head) or ""
        said = in_words(head, label) if label else ""
        cells.append((f"{head}?", QUIET) if label == UNCERTAIN else (said, TEXT))
    return cells


def _rows_layout(faces: Sequence[Face], letters: int) -> tuple[list[int], int, int]:
    """Left ends of the columns of text, the width of a block, and its height: alike for all faces."""
    heads = _named_heads(faces)
    lines = [[text for text, _ in _row_cells(*said, heads)] for face in faces for said in _said(face)]
    most = max(len(_said(face)) for face in faces)
    height = round(max(_ROW_CROP, LINE * most) * letters) + 2 * max(1, round(_GAP * letters))
    x, starts = round((_NUMBER + _ROW_CROP + 1.4) * letters), []
    for number in range(max(map(len, lines))):
        widest = max(text_width(line[number], letters) for line in lines if number < len(line))
        starts.append(x)
        # A head that nobody has takes no room.
        x += math.ceil(widest + 1.2 * letters) if widest else 0
    return starts, x, height


def _rows_size(faces: Sequence[Face], letters: int) -> tuple[int, int]:
    _, width, height = _rows_layout(faces, letters)
    return width, height


def _draw_row(image_rgb: Array, faces: Sequence[Face], index: int, letters: int) -> Array:
    """Number, crop, and a line for each model."""
    face, (starts, width, height) = faces[index], _rows_layout(faces, letters)
    block, gap = np.full((height, width, 3), GROUND, np.uint8), max(1, round(_GAP * letters))
    ink, unit, colour = PanelInk(block), _Units(letters), face_colour(face)
    ink.box(gap, gap, gap + max(3, unit(0.3)), height - gap, colour)
    base = height // 2 + unit(0.35)
    ink.write(gap + unit(_NUMBER), base, str(face.track), unit(1.25), colour, "r")
    corner = gap + unit(_NUMBER + 0.4), (height - unit(_ROW_CROP)) // 2
    _paste_crop(block, image_rgb, face, corner, unit(_ROW_CROP))
    said, heads = _said(face), _named_heads(faces)
    for number, (name, one) in enumerate(said):
        y = base + round((number - (len(said) - 1) / 2) * LINE * letters)
        for x, (text, tone) in zip(starts, _row_cells(name, one, heads), strict=False):
            ink.write(x, y, text, letters, tone)
    ink.finish()
    return block


_ROWS = _BlockKind(_rows_size, _draw_row)
