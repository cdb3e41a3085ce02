"""Where labels go: inside the picture, off the other labels and, if they can, off the faces."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

_ON_LABEL, _ON_FACE = 10.0, 1.0
_SECOND_CHOICE = 0.02
"""Cost of each step down the list of places, as a share of the plate: earlier ones win when equal."""


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
    """A label before it has a place: its lines, letter scale, and sizes in pixels."""

    lines: tuple[str, ...]
    scale: float
    pad: int
    step: int
    width: int
    height: int


def place(
    labels: Sequence[Sequence[Plate]], boxes: Sequence[Rectangle], resolution_wh: tuple[int, int]
) -> list[tuple[Plate, tuple[int, int]]]:
    """Chooses a layout and a place for each label, one after the other.

    Args:
        labels: for each box the layouts to choose from, the better first; none for no label.
        boxes: the faces.
        resolution_wh: width and height of the picture.

    Returns:
        (plate, (left, top)) of each label; wholly inside a picture that is large enough.
    """
    taken: list[Rectangle] = []
    placed = []
    for plates, box in zip(labels, boxes, strict=True):
        options = [(plate, spot) for plate in plates for spot in _spots(plate, box, resolution_wh)]
        if options:
            costs = [
                _cost(spot, taken, boxes) + number * _SECOND_CHOICE
                for number, (_, spot) in enumerate(options)
            ]
            plate, spot = options[costs.index(min(costs))]
            taken.append(spot)
            placed.append((plate, (spot.left, spot.top)))
    return placed


def _spots(plate: Plate, box: Rectangle, resolution_wh: tuple[int, int]) -> Iterator[Rectangle]:
    """Above, below, above and below by the right edge, right of, left of, inside; moved into the picture."""
    over, under = box.top - plate.height - plate.pad // 2, box.bottom + plate.pad // 2
    by_right = box.right - plate.width
    beside = box.right + plate.pad // 2, box.left - plate.width - plate.pad // 2
    corners = (
        (box.left, over), (box.left, under), (by_right, over), (by_right, under),
        (beside[0], box.top), (beside[1], box.top), (box.left, box.bottom - plate.height),
    )  # fmt: skip
    for left, top in corners:
        left = max(0, min(left, resolution_wh[0] - plate.width))
        top = max(0, min(top, resolution_wh[1] - plate.height))
        yield Rectangle(left, top, left + plate.width, top + plate.height)


def _cost(spot: Rectangle, taken: Sequence[Rectangle], boxes: Sequence[Rectangle]) -> float:
    """Covered shares of the plate, labels counting more than faces."""
    area = (spot.right - spot.left) * (spot.bottom - spot.top)
    on_labels = sum(spot.overlap(other) for other in taken)
    on_faces = sum(spot.overlap(box) for box in boxes)
    return (_ON_LABEL * on_labels + _ON_FACE * on_faces) / max(area, 1)
