"""Where labels go: inside the picture, off the other labels and, if they can, off the faces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from facecli.vision.bars import Bar

_ON_LABEL, _ON_FACE = 10.0, 3.0
_SECOND_CHOICE = 0.02
"""Cost of each step down the list of places, as a share of the plate: earlier ones win when equal."""
_ROUNDS = 3
_HABIT = 0.3
"""What the place of the frame before is worth, likewise."""


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
    bars: tuple[Bar | None, ...] = ()
    bar_width: int = 0


@dataclass
class Habits:
    """How labels stood in the frame before, so that they do not jump about in a video.

    Attributes:
        places: track -> number of its layout and place.
        style: number of the letter size and wording of all.
    """

    places: dict[int, int] = field(default_factory=dict)
    style: int = 0


def place(
    labels: Sequence[Sequence[Plate]],
    boxes: Sequence[Rectangle],
    resolution_wh: tuple[int, int],
    keep_off: Sequence[Rectangle] = (),
    tracks: Sequence[int | None] = (),
    habits: Habits | None = None,
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
