"""Labels: how large their letters and plates are, and where they go, off each other and off the faces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np

from facecli.core.faces import Face

Colour = tuple[int, int, int]

LIGHT: Colour = (255, 255, 255)
DARK: Colour = (20, 20, 20)
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

_ON_LABEL, _ON_FACE = 10.0, 3.0
_SECOND_CHOICE = 0.02
"""Cost of each step down the list of places, as a share of the plate: earlier ones win when equal."""
_ROUNDS = 3
_HABIT = 0.3
"""What the place of the frame before is worth, likewise."""

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


class LabelBar(NamedTuple):
    """What a row's bar is filled with, in shares of its length; `main` rows are the brighter ones."""

    low: float
    high: float
    main: bool = True


class LabelRow(NamedTuple):
    """One line of a label; `bar` is None where there is nothing to measure."""

    text: str
    bar: LabelBar | None = None


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


class Plate(NamedTuple):
    """A label before it has a place: its lines, letter scale, and sizes in pixels.

    `bars`, when there are any, belong to the lines and stand to their right, `bar_width` wide.
    """

    lines: tuple[str, ...]
    scale: float
    pad: int
    step: int
    width: int
    height: int
    bars: tuple[LabelBar | None, ...] = ()
    bar_width: int = 0


@dataclass
class LabelHabits:
    """How labels stood in the frame before, so that they do not jump about in a video.

    Attributes:
        places: track -> number of its layout and place.
        style: number of the letter size and wording of all.
    """

    places: dict[int, int] = field(default_factory=dict)
    style: int = 0


def place_labels(
    labels: Sequence[Sequence[Plate]],
    boxes: Sequence[Rectangle],
    resolution_wh: tuple[int, int],
    keep_off: Sequence[Rectangle] = (),
    tracks: Sequence[int | None] = (),
    habits: LabelHabits | None = None,
) -> list[tuple[Plate, tuple[int, int]]]:
    """Chooses a layout and a place for each label.

    Args:
        labels: for each box the layouts to choose from, the better first; none for no label.
        boxes: the faces.
        resolution_wh: width and height of the picture.
        keep_off: where other texts will stand.
        tracks: of the boxes; none at all for pictures.
        habits: how the labels of these tracks stood, and will have stood then.

    Returns:
        (plate, (left, top)) of each label; wholly inside a picture that is large enough.
    """
    places = {} if habits is None else habits.places
    tracks = tracks or [None] * len(boxes)
    choices = [
        _Choice(plates, box, resolution_wh, None if track is None else places.get(track))
        for plates, box, track in zip(labels, boxes, tracks, strict=True)
    ]
    occupied = np.array([*boxes, *keep_off], np.int64).reshape(-1, 4)
    weights = np.repeat([_ON_FACE, _ON_LABEL], [len(boxes), len(keep_off)])
    for choice in choices:
        choice.avoid(occupied, weights)
    _settle(choices)
    if habits is not None:
        places.update(
            (track, choice.number)
            for track, choice in zip(tracks, choices, strict=True)
            if track is not None and choice.options
        )
    return [choice.taken() for choice in choices if choice.options]


def _settle(choices: Sequence["_Choice"]) -> None:
    """Each label takes its best place among those before it, then again among all others."""
    # Nothing lies on a rectangle without a size: labels that have no place yet.
    taken = np.zeros((len(choices), 4), np.int64)
    for _ in range(_ROUNDS):
        moved = False
        for row, choice in enumerate(choices):
            if choice.options:
                taken[row] = 0
                moved |= choice.choose(taken)
                taken[row] = choice.spots[choice.number]
        if not moved:
            return


class _Choice:
    """The places that a label has, what each costs, and which one it takes.

    Attributes:
        options: (plate, spot) of every layout at every place; empty without a label.
        spots: (n, 4), the same spots.
        number: of the one that is taken.
    """

    def __init__(
        self, plates: Sequence[Plate], box: Rectangle, resolution_wh: tuple[int, int], usual: int | None
    ) -> None:
        self.options = [(plate, spot) for plate in plates for spot in _spots(plate, box, resolution_wh)]
        self.spots = np.array([spot for _, spot in self.options], np.int64).reshape(-1, 4)
        self.number = -1
        self._areas = np.maximum((self.spots[:, 2:] - self.spots[:, :2]).prod(axis=1), 1)
        self._costs = _SECOND_CHOICE * np.arange(len(self.options))
        if usual is not None and usual < len(self.options):
            self._costs[usual] -= _HABIT

    def avoid(self, rectangles: np.ndarray, weights: np.ndarray) -> None:
        """Makes covering these (m, 4) cost what they weigh (m,)."""
        self._costs = self._costs + _covered(self.spots, rectangles) @ weights / self._areas

    def choose(self, labels: np.ndarray) -> bool:
        """Takes the cheapest spot beside these labels (m, 4); says whether that is another one."""
        on_labels = _covered(self.spots, labels).sum(axis=1) / self._areas
        before, self.number = self.number, int(np.argmin(self._costs + _ON_LABEL * on_labels))
        return self.number != before

    def taken(self) -> tuple[Plate, tuple[int, int]]:
        """The plate, and its left and top."""
        plate, spot = self.options[self.number]
        return plate, (spot.left, spot.top)


def _spots(plate: Plate, box: Rectangle, resolution_wh: tuple[int, int]) -> Iterator[Rectangle]:
    """Above, below, above and below by the right edge, beside, inside, further off; moved into it."""
    over, under = box.top - plate.height - plate.pad // 2, box.bottom + plate.pad // 2
    by_right = box.right - plate.width
    beside = box.right + plate.pad // 2, box.left - plate.width - plate.pad // 2
    corners = (
        (box.left, over), (box.left, under), (by_right, over), (by_right, under),
        (beside[0], box.top), (beside[1], box.top), (box.left, box.bottom - plate.height),
        (beside[0], box.bottom - plate.height), (beside[1], box.bottom - plate.height),
        (box.left, over - plate.height), (box.left, under + plate.height),
    )  # fmt: skip
    for left, top in corners:
        left = max(0, min(left, resolution_wh[0] - plate.width))
        top = max(0, min(top, resolution_wh[1] - plate.height))
        yield Rectangle(left, top, left + plate.width, top + plate.height)


def _covered(spots: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Pixels that each spot (n, 4) shares with each of the others (m, 4): (n, m)."""
    low = np.maximum(spots[:, None, :2], others[None, :, :2])
    high = np.minimum(spots[:, None, 2:], others[None, :, 2:])
    return np.maximum(high - low, 0).prod(axis=2)


def text_height(resolution_wh: tuple[int, int]) -> int:
    """Height of capital letters in pixels that suits a picture of this width and height."""
    width, height = resolution_wh
    return int(np.clip(round(min(width, height * 1.5) * _TEXT_SHARE), SMALLEST_TEXT, _LARGEST_TEXT))


def build_plate(rows: Sequence[LabelRow], letter_height: int, resolution_wh: tuple[int, int]) -> Plate:
    """The size of a label with at least one row; letters shrink when it would not fit into the picture."""
    width, height = resolution_wh
    plate = _sized(rows, letter_height / _FONT_HEIGHT)
    shrink = min(1.0, width / plate.width, height / plate.height)
    if shrink < 1:
        plate = _sized(rows, plate.scale * shrink)
    return plate._replace(width=min(plate.width, width), height=min(plate.height, height))


def wrap_text(parts: Sequence[str], letter_height: int, width: int, gap: str = "  ") -> list[LabelRow]:
    """Parts side by side, in as many lines as a picture of that width needs."""
    rows: list[LabelRow] = []
    for part in parts:
        longer = f"{rows[-1].text}{gap}{part}" if rows else part
        if rows and _sized([LabelRow(longer)], letter_height / _FONT_HEIGHT).width <= width:
            rows[-1] = LabelRow(longer)
        else:
            rows.append(LabelRow(part))
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


def _sized(rows: Sequence[LabelRow], scale: float) -> Plate:
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


def _draw_bar(
    image: np.ndarray, bar: LabelBar, corner: tuple[int, int], plate: Plate, colour: Colour
) -> None:
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
