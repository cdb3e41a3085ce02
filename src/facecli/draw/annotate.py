"""Boxes and labels drawn on a copy of the picture: what labels say, how large they are, where they go."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from facecli.core.arrays import Array
from facecli.core.attributes import MAX_AGE_YEARS
from facecli.core.faces import AGE_BAND, Face, in_words, percent
from facecli.draw.plates import (
    DARK,
    SMALLEST_TEXT,
    Colour,
    LabelBar,
    LabelRow,
    Plate,
    Rectangle,
    Side,
    Tone,
    Word,
    build_plate,
    draw_plate,
    face_colour,
    plain_row,
    text_height,
)

_RUNNER_UP = 0.1
"""Probability from which the second class has a row of its own."""
_BETWEEN = Word(" \u00b7 ", Tone.MUTED)

_COVERED, _COVERED_BY_DETAILS = 0.12, 0.35
"""Share of the picture that all labels together may take before they get smaller."""
_WIDE = 1.5
"""So many times as wide as its face the middle label may be before all get smaller."""
_HABIT = 1.25
"""By so much more they may take in the style of the frame before."""
_SIZES = (1.0, 0.85, 0.7, 0.6, 0.5)
"""Letter heights, as shares of what suits the picture."""
_CROWD = 8
"""From so many faces on labels may be cut to age and gender."""

_ON_LABEL, _ON_FACE, _ON_HEAD = 10.0, 6.0, 1.0
"""What it costs to cover them with the whole plate; a head is what is around somebody else's face."""
_TOUCHED = 0.5
"""What it costs to cover anything of a face, label or other text, however little."""
_MOVED = 0.25
"""Cost of each width or height that a plate was moved by to lie inside the picture."""
_SECOND_LAYOUT = 0.15
_ROUNDS = 3
_USUAL = 0.3
"""What the place of the frame before is worth."""
_HEAD = (0.3, 0.45, 0.3, 0.15)
"""Hair and ears around a box: left, above, right and below, as shares of its sides."""

_LINE_SHARE = 1 / 28
"""A box's line is no thicker, of the width of the face."""

__all__ = ["LabelHabits", "annotate", "draw_note", "label_parts", "place_labels"]


def label_parts(face: Face) -> list[list[Word]]:
    """What is known of a face, in words for at most three lines.

    The track's number and the age, then band of years and gender, then all else. What is uncertain is
    its name with a question mark: "race?".
    """
    if face.rejected:
        return [_first_line(face)]
    words = {head: _class_word(face, head) for head in (AGE_BAND, *face.named_heads)}
    second = _joined([words.pop(AGE_BAND), words.pop("gender", None)])
    return [line for line in (_first_line(face), second, _joined(words.values())) if line]


def _first_line(face: Face) -> list[Word]:
    """Number of the track, and age or rejection."""
    line = [] if face.track is None else [Word(f"#{face.track}", Tone.FACE)]
    if line and (face.rejected or face.age_years is not None):
        line.append(Word("  "))
    if face.rejected:
        return [*line, Word(face.rejection(), Tone.MUTED)]
    if face.age_years is not None:
        line.append(Word(str(face.whole_years)))
        if face.age_interval_90:
            line.append(Word(f" ({face.interval_label()})", Tone.MUTED))
    return line


def _class_word(face: Face, head: str) -> Word | None:
    """The most probable class, or the head's name with a question mark; None without any."""
    if not (face.age_bands if head == AGE_BAND else face.probabilities(head)):
        return None
    if head in face.uncertain:
        return Word("age group?" if head == AGE_BAND else f"{head}?", Tone.MUTED)
    if head == AGE_BAND:
        return Word(str(face.age_band))
    return Word(in_words(head, str(face.likeliest_class(head))))


def _joined(words: Iterable[Word | None]) -> list[Word]:
    """The words that are there, dots between them."""
    line: list[Word] = []
    for word in words:
        if word is not None:
            line += [_BETWEEN, word] if line else [word]
    return line


def detail_rows(face: Face) -> list[LabelRow]:
    """Everything that is known of a face, a row each; [] when that is nothing.

    The age's bar runs from the low to the high end of its interval, on a scale from 0 to the
    oldest age; a class's is its probability. The second class of a head follows where it counts.
    """
    if face.rejected:
        return [LabelRow(tuple(_first_line(face)), LabelBar(0.0, 1 - (face.face_probability or 0.0)))]
    words = _first_line(face)
    rows = [LabelRow(tuple(words))] if words else []
    if face.age_years is not None:
        low, high = face.age_interval_90 or (face.age_years, face.age_years)
        rows = [rows[0]._replace(bar=LabelBar(_share(low), _share(high)))]
    for head in face.named_heads:
        rows += _head_rows(face, head)
    return rows


def _head_rows(face: Face, head: str) -> list[LabelRow]:
    probabilities, word = face.probabilities(head), _class_word(face, head)
    if not probabilities or word is None:
        return []
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])[:2]
    words = (word,) if head in face.uncertain else (word, Word(f" {percent(ranked[0][1])}", Tone.MUTED))
    rows = [LabelRow(words, LabelBar(0.0, ranked[0][1]))]
    for name, probability in ranked[1:]:
        if probability >= _RUNNER_UP:
            words = (Word(f"{name} {percent(probability)}", Tone.MUTED),)
            rows.append(LabelRow(words, LabelBar(0.0, probability, main=False)))
    return rows


def _share(years: float) -> float:
    return min(max(years / MAX_AGE_YEARS, 0.0), 1.0)


Layout = tuple[LabelRow, ...]
"""One way to write a label."""


class _Style(NamedTuple):
    """How all labels of a picture are written.

    Attributes:
        letters: their height in pixels.
        layouts_of: the ways to write a face's label, the better first; none for no label.
        covered: share of the picture that the labels may cover.
        wide: how many times as wide as its face the middle label may be.
    """

    letters: int
    layouts_of: Callable[[Face], list[Layout]]
    covered: float = _COVERED
    wide: float = math.inf


def _detailed(face: Face) -> list[Layout]:
    rows = detail_rows(face)
    return [tuple(rows)] if rows else []


def _stacked(face: Face) -> list[Layout]:
    """Three short lines, or two longer ones."""
    lines = [tuple(words) for words in label_parts(face)]
    layouts = [tuple(map(LabelRow, lines))] if lines else []
    if len(lines) > 2:
        layouts.append((LabelRow((*lines[0], _BETWEEN, *lines[1])), *map(LabelRow, lines[2:])))
    return layouts


def _short(face: Face) -> list[Layout]:
    """Age and gender."""
    lines = [tuple(words) for words in label_parts(face)[:2]]
    layouts = [tuple(map(LabelRow, lines))] if lines else []
    if len(lines) > 1:
        layouts.append((LabelRow((*lines[0], _BETWEEN, *lines[1])),))
    return layouts


def _styles(letters: int, details: bool, crowd: bool) -> Iterator[_Style]:
    """The roomiest first."""
    heights = list(dict.fromkeys(max(SMALLEST_TEXT, round(share * letters)) for share in _SIZES))
    if details:
        for height in heights[:3]:
            yield _Style(height, _detailed, _COVERED_BY_DETAILS)
    for height in heights:
        yield _Style(height, _stacked, wide=_WIDE)
    yield _Style(heights[-1], _stacked)
    yield _Style(SMALLEST_TEXT, _stacked)
    if crowd:
        yield _Style(SMALLEST_TEXT, _short)


@dataclass
class LabelHabits:
    """How labels stood in the frame before, so that they do not jump about in a video.

    Attributes:
        places: track -> number of its layout and place.
        style: number of the letter size and wording of all.
    """

    places: dict[int, int] = field(default_factory=dict)
    style: int = 0


def build_labels(
    faces: Sequence[Face],
    resolution_wh: tuple[int, int],
    details: bool = False,
    habits: LabelHabits | None = None,
    label_size: float = 1.0,
) -> list[list[Plate]]:
    """The labels of a picture, for each face the plates to choose from; none for no label.

    Letters suit the picture, and shrink for small faces. In a crowd details go, then all but age and
    gender. What `habits` says of the frame before is kept up as long as it nearly fits.
    """
    habits = habits or LabelHabits()
    layouts: list[list[Layout]] = []
    layouts_of = None
    for number, style in enumerate(_styles(text_height(resolution_wh), details, len(faces) >= _CROWD)):
        if style.layouts_of is not layouts_of:
            layouts_of = style.layouts_of
            layouts = [layouts_of(face) for face in faces]
        plates = _built(layouts, style.letters, resolution_wh)
        if _fits(faces, plates, style, resolution_wh, _HABIT if number == habits.style else 1.0):
            break
    habits.style = number
    if label_size == 1:
        return plates
    return _built(layouts, max(1, round(style.letters * label_size)), resolution_wh)


def _built(
    layouts: Sequence[Sequence[Layout]], letters: int, resolution_wh: tuple[int, int]
) -> list[list[Plate]]:
    return [[build_plate(rows, letters, resolution_wh) for rows in ways] for ways in layouts]


def _fits(
    faces: Sequence[Face],
    plates: Sequence[Sequence[Plate]],
    style: _Style,
    resolution_wh: tuple[int, int],
    slack: float,
) -> bool:
    """Do labels of that style leave enough of the picture, and are they in proportion to their faces?"""
    firsts = [(face, ways[0]) for face, ways in zip(faces, plates, strict=True) if ways]
    area = sum(plate.width * plate.height for _, plate in firsts)
    ratios = sorted(plate.width / max(face.box_xyxy[2] - face.box_xyxy[0], 1) for face, plate in firsts)
    middle = ratios[len(ratios) // 2] if ratios else 0.0
    enough = area <= slack * style.covered * resolution_wh[0] * resolution_wh[1]
    return enough and middle <= slack * style.wide


class PlacedLabel(NamedTuple):
    """A plate where it goes.

    Attributes:
        plate: what is drawn.
        corner: its left and top.
        side: of the plate, that is towards the face.
        face: number of the face that it belongs to.
    """

    plate: Plate
    corner: tuple[int, int]
    side: Side
    face: int

    @property
    def place(self) -> Rectangle:
        """The pixels of the plate."""
        left, top = self.corner
        return Rectangle(left, top, left + self.plate.width, top + self.plate.height)


def place_labels(
    labels: Sequence[Sequence[Plate]],
    boxes: Sequence[Rectangle],
    resolution_wh: tuple[int, int],
    keep_off: Sequence[Rectangle] = (),
    tracks: Sequence[int | None] = (),
    habits: LabelHabits | None = None,
) -> list[PlacedLabel]:
    """Chooses a layout and a place for each label: beside its face, off all faces and labels if it can be.

    Args:
        labels: for each box the layouts to choose from, the better first; none for no label.
        boxes: the faces.
        resolution_wh: width and height of the picture.
        keep_off: where other texts will stand.
        tracks: of the boxes; none at all for pictures.
        habits: how the labels of these tracks stood, and will have stood then.

    Returns:
        A label for each box that has one; wholly inside a picture that is large enough.
    """
    numbers = [number for number, plates in enumerate(labels) if plates]
    if not numbers:
        return []
    usual = {} if habits is None else habits.places
    tracks = tracks or [None] * len(boxes)
    spots, costs = _priced(labels, boxes, resolution_wh, keep_off)
    starts = np.cumsum([0, *(len(labels[number]) * len(_table().cost) for number in numbers)])
    own = [slice(*pair) for pair in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)]
    for number, part in zip(numbers, own, strict=True):
        before = usual.get(tracks[number] or 0)
        if before is not None and part.start + before < part.stop:
            costs[part.start + before] -= _USUAL
    taken = _settle([spots[part] for part in own], [costs[part] for part in own])
    placed = []
    for number, part, choice in zip(numbers, own, taken, strict=True):
        layout, place = divmod(choice, len(_table().cost))
        left, top = spots[part][choice, :2].tolist()
        placed.append(PlacedLabel(labels[number][layout], (left, top), _table().side[place], number))
        if habits is not None and (track := tracks[number]) is not None:
            habits.places[track] = choice
    return placed


def _settle(spots: Sequence[Array], costs: Sequence[Array]) -> list[int]:
    """The choice of each label: its best place beside those before it, then again beside all others.

    Args:
        spots: of each label, (n, 4).
        costs: of each of them, (n,).
    """
    choices = [-1] * len(spots)
    # Nothing lies on a rectangle without a size: labels that have no place yet.
    taken = np.zeros((len(spots), 4), np.int64)
    for _ in range(_ROUNDS):
        before = list(choices)
        for row, (places, cost) in enumerate(zip(spots, costs, strict=True)):
            taken[row] = 0
            # What no label lies on costs nothing more: most labels meet no other.
            choices[row] = int(np.argmin(cost + _price(places, taken, _ON_LABEL)))
            taken[row] = places[choices[row]]
        if choices == before:
            break
    return choices


class _Table(NamedTuple):
    """Places around a box: a plate's corner is that of the box and shares of box, plate and gap beyond it.

    Attributes:
        of_box, of_plate, of_gap: (n, 2), for x and y.
        cost: (n,): cheaper ones are taken first.
        side: of the plate, towards the face.
    """

    of_box: Array
    of_plate: Array
    of_gap: Array
    cost: Array
    side: tuple[Side, ...]


# Along one axis: before the box, at its start, in its middle, at its end, behind it; further off.
_STEPS = {
    -2: (0.0, -2.0, -2.0), -1: (0.0, -1.0, -1.0), "start": (0.0, 0.0, 0.0), "middle": (0.5, -0.5, 0.0),
    "end": (1.0, -1.0, 0.0), 1: (1.0, 0.0, 1.0), 2: (1.0, 1.0, 2.0),
}  # fmt: skip


@cache
def _table() -> _Table:
    """Beside the box, right and left; below and above it; at its corners; inside it; further off."""
    rows: list[tuple[object, object, float, Side]] = []
    for step, base, side in ((1, 0.0, Side.LEFT), (-1, 0.03, Side.RIGHT)):
        rows += [(step, along, base + 0.01 * n, side) for n, along in enumerate(("start", "middle", "end"))]
    for step, base, side in ((1, 0.06, Side.TOP), (-1, 0.09, Side.BOTTOM)):
        rows += [(along, step, base + 0.01 * n, side) for n, along in enumerate(("middle", "start", "end"))]
    rows += [(x, y, 0.13, Side.LEFT if x == 1 else Side.RIGHT) for x in (1, -1) for y in (1, -1)]
    rows += [("start", "end", 0.15, Side.LEFT), ("end", "end", 0.15, Side.LEFT)]
    for across, down in itertools.product((-2, -1, "middle", 1, 2), repeat=2):
        far = [abs(step) for step in (across, down) if isinstance(step, int)]
        if max(far, default=0) == 2:
            rows.append((across, down, 0.16 + 0.04 * sum(far), _towards(across, down)))
    steps = np.array([[_STEPS[x], _STEPS[y]] for x, y, *_ in rows])
    costs = np.array([cost for *_, cost, _ in rows])
    return _Table(steps[..., 0], steps[..., 1], steps[..., 2], costs, tuple(side for *_, side in rows))


def _towards(x: object, y: object) -> Side:
    if isinstance(x, int):
        return Side.LEFT if x > 0 else Side.RIGHT
    return Side.TOP if isinstance(y, int) and y > 0 else Side.BOTTOM


def _priced(
    labels: Sequence[Sequence[Plate]],
    boxes: Sequence[Rectangle],
    resolution_wh: tuple[int, int],
    keep_off: Sequence[Rectangle],
) -> tuple[Array, Array]:
    """Every place of every layout of every label, (n, 4), and what it costs beside the other labels, (n,)."""
    owners = np.array([number for number, plates in enumerate(labels) for _ in plates])
    sizes = np.array([(plate.width, plate.height) for plates in labels for plate in plates])
    gaps = np.array([max(2, plate.pad // 2) for plates in labels for plate in plates])
    second = np.array([_SECOND_LAYOUT * number for plates in labels for number in range(len(plates))])
    faces, table = np.array(boxes, np.int64).reshape(-1, 4), _table()
    of = faces[owners]
    wanted = (
        of[:, None, :2]
        + table.of_box * (of[:, 2:] - of[:, :2])[:, None]
        + table.of_plate * sizes[:, None]
        + table.of_gap * gaps[:, None, None]
    )
    corners = np.clip(np.rint(wanted), 0, np.maximum(np.array(resolution_wh) - sizes, 0)[:, None])
    moved = (np.abs(corners - wanted) / sizes[:, None]).sum(axis=2)
    costs = table.cost + second[:, None] + _MOVED * moved
    spots = np.concatenate([corners, corners + sizes[:, None]], axis=2).astype(np.int64).reshape(-1, 4)
    costs = costs.ravel() + _price(spots, faces, _ON_FACE)
    if len(keep_off):
        costs += _price(spots, np.array(keep_off, np.int64).reshape(-1, 4), _ON_LABEL)
    if len(faces) > 1:
        sides = np.tile(faces[:, 2:] - faces[:, :2], 2)
        heads = faces + np.array(_HEAD) * [-1, -1, 1, 1] * sides
        shares = _shares(spots, heads)
        # Beside its own face a label covers hair and ears of its own head.
        shares[np.arange(len(spots)), np.repeat(owners, len(table.cost))] = 0
        costs += _ON_HEAD * shares.sum(axis=1)
    return spots, costs


def _price(spots: Array, others: Array, weight: float) -> Array:
    """What covering others (m, 4) costs each spot (n, 4): (n,)."""
    shares = _shares(spots, others).sum(axis=1)
    return weight * shares + _TOUCHED * (shares > 0)


def _shares(spots: Array, others: Array) -> Array:
    """How much of each spot (n, 4) lies on each of the others (m, 4), as a share of the spot: (n, m)."""
    columns, rows = spots.T[:, :, None], others.T[:, None, :]
    width = np.minimum(columns[2], rows[2]) - np.maximum(columns[0], rows[0])
    height = np.minimum(columns[3], rows[3]) - np.maximum(columns[1], rows[1])
    areas = (columns[2] - columns[0]) * (columns[3] - columns[1])
    return np.maximum(width, 0) * np.maximum(height, 0) / np.maximum(areas, 1)


def annotate(
    image_rgb: Array,
    faces: Sequence[Face],
    details: bool = False,
    keep_off: Sequence[Rectangle] = (),
    habits: LabelHabits | None = None,
    label_size: float = 1.0,
) -> Array:
    """Draws every face's box and label, in one colour for each track.

    Args:
        image_rgb: (H, W, 3) uint8; it is not changed.
        faces: may be empty.
        details: labels tell how sure each head is, with bars and second classes.
        keep_off: where other texts will stand: labels avoid it if they can.
        habits: of a video's labels, the same object for every frame: they stay where they were.
        label_size: of the letters, relative to what suits picture and faces.

    Returns:
        (H, W, 3) uint8 RGB, a copy.
    """
    drawn = np.ascontiguousarray(image_rgb).copy()
    # In the order of tracks labels find their places alike from frame to frame.
    faces = sorted(faces, key=lambda face: face.track or 0)
    plates = build_labels(faces, (drawn.shape[1], drawn.shape[0]), details, habits, label_size)
    draw_labelled(drawn, faces, plates, keep_off, habits)
    return drawn


def draw_labelled(
    image: Array,
    faces: Sequence[Face],
    plates: Sequence[Sequence[Plate]],
    keep_off: Sequence[Rectangle] = (),
    habits: LabelHabits | None = None,
) -> None:
    """Draws the boxes of faces, and for each one of its plates, into the picture itself.

    Args:
        image: (H, W, 3) uint8 RGB, contiguous.
        faces, plates: as many of each.
        keep_off, habits: see `annotate`.
    """
    resolution_wh = image.shape[1], image.shape[0]
    thickest = text_height(resolution_wh) / 6
    boxes = [Rectangle(*(int(value) for value in face.box_xyxy)) for face in faces]
    lines = [max(1, round(min(thickest, (box.right - box.left) * _LINE_SHARE))) for box in boxes]
    placed = place_labels(plates, boxes, resolution_wh, keep_off, [face.track for face in faces], habits)
    for label in placed:
        number = label.face
        _draw_leader(image, label, boxes[number], lines[number], face_colour(faces[number]))
    for box, face, line in zip(boxes, faces, lines, strict=True):
        _draw_box(image, box, line, face_colour(face))
    for label in placed:
        draw_plate(image, label.plate, label.corner, face_colour(faces[label.face]), label.side)


def draw_note(image_rgb: Array, text: str) -> None:
    """Writes a line into the upper left corner of the picture itself, such as the frame rate."""
    resolution_wh = image_rgb.shape[1], image_rgb.shape[0]
    draw_plate(image_rgb, build_plate((plain_row(text),), text_height(resolution_wh), resolution_wh), (0, 0))


def _draw_box(image: Array, box: Rectangle, line: int, colour: Colour) -> None:
    """A bright line within a dark one: one of both is seen on any ground."""
    corners = (box.left, box.top), (box.right - 1, box.bottom - 1)
    cv2.rectangle(image, *corners, DARK, line + 2 * max(1, line // 2), cv2.LINE_AA)
    cv2.rectangle(image, *corners, colour, line, cv2.LINE_AA)


def _draw_leader(image: Array, label: PlacedLabel, box: Rectangle, line: int, colour: Colour) -> None:
    """A line from a label that stands further off to its box."""
    place = label.place
    ends = []
    for low, high in ((0, 2), (1, 3)):
        start, end = max(place[low], box[low]), min(place[high], box[high])
        # Where both lie beside each other the line is straight, else it goes from edge to edge.
        middle = (start + end) // 2
        ends.append(
            (middle, middle) if start <= end else _facing(place[low : high + 1 : 2], box[low : high + 1 : 2])
        )
    (x, to_x), (y, to_y) = ends
    if abs(to_x - x) + abs(to_y - y) > 2 * label.plate.pad:
        cv2.line(image, (x, y), (to_x, to_y), DARK, line + 2, cv2.LINE_AA)
        cv2.line(image, (x, y), (to_x, to_y), colour, max(1, line // 2), cv2.LINE_AA)


def _facing(place: Sequence[int], box: Sequence[int]) -> tuple[int, int]:
    """The ends of both spans that look at each other."""
    return (place[0], box[1]) if place[0] >= box[1] else (place[1], box[0])
