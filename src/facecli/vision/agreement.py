"""How often two models say the same."""

from collections.abc import Mapping
from dataclasses import dataclass

from facecli.faces import NAMED_HEADS, Face


@dataclass(frozen=True)
class Agreement:
    """How alike two models answered, counting the faces that both have such a head for.

    Attributes:
        faces: that both looked at.
        age_difference: mean absolute difference in years, or None.
        same: head -> share of equal labels in [0, 1].
    """

    faces: int
    age_difference: float | None
    same: Mapping[str, float]


class AgreementCount:
    """Adds up face by face; memory does not grow."""

    def __init__(self) -> None:
        """Has seen nothing yet."""
        self._faces = 0
        self._years = [0, 0.0]
        self._labels = {head: [0, 0] for head in NAMED_HEADS}

    def add(self, one: Face, other: Face) -> None:
        """Takes what two models say of a face."""
        self._faces += 1
        if one.age_years is not None and other.age_years is not None:
            self._years[0] += 1
            self._years[1] += abs(one.age_years - other.age_years)
        for head, counts in self._labels.items():
            labels = getattr(one, head), getattr(other, head)
            if None not in labels:
                counts[0] += 1
                counts[1] += labels[0] == labels[1]

    def result(self) -> Agreement:
        """What was seen so far."""
        count, total = self._years
        same = {head: equal / seen for head, (seen, equal) in self._labels.items() if seen}
        return Agreement(self._faces, total / count if count else None, same)
