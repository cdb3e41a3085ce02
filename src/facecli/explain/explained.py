"""All that is said of one head of one face by one method: what pictures, pages and rows are made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from facecli.explain.deletion import SHARE, Deletion
from facecli.explain.heat_map import HeatMap
from facecli.explain.target import Target

_TENTH = f"{100 * SHARE:.0f} %"


@dataclass(frozen=True)
class Explained:
    """A heat map with what it is about.

    Attributes:
        crop: (h, w, 3) uint8 RGB, what the network saw.
        target: what is explained.
        method: name from `method_names.METHODS`.
        reference_name: name from `reference.REFERENCES`.
        heat: the map.
        deletion: its check.
        interval: first and last year of the age's 90 % interval; None for class heads.
    """

    crop: np.ndarray
    target: Target
    method: str
    reference_name: str
    heat: HeatMap
    deletion: Deletion
    interval: tuple[int, int] | None = None

    def prediction(self) -> str:
        """ "age: 31.4 years (90 %: 24 to 40)", "gender: female 98 %"."""
        said = self._said(self.deletion.value)
        if self.interval is not None:
            return f"age: {said} (90 %: {self.interval[0]} to {self.interval[1]})"
        return f"{self.target.head}: {self.target.name} {said}"

    def sum_line(self) -> str | None:
        """What an additive map's values add up to."""
        if self.heat.additive is None:
            return None
        before, after = self.heat.additive
        unit = self.target.unit
        return f"whole map: {after - before:+.1f} {unit}, from {before:.1f} of the reference to {after:.1f}"

    def check_line(self) -> str:
        """What the deletion showed."""
        found = self.deletion
        return (
            f"without the hottest {_TENTH} of the pixels: {self._said(found.value_hottest)}; "
            f"without a random {_TENTH}: {self._said(found.value_random)}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain rounded numbers (docs/explain.md)."""
        row: dict[str, Any] = {
            "head": self.target.head,
            "class": None if self.target.class_index is None else self.target.name,
            "value": round(self.deletion.value, 4),
            "method": self.method,
            "reference": self.reference_name,
            "unit": self.target.unit,
        }
        additive, residual = self.heat.additive, self.heat.residual
        if additive is not None and residual is not None:
            before, after = (round(one, 4) for one in additive)
            row |= {"score_reference": before, "score": after, "residual": round(residual, 4)}
        return {**row, "deletion": self.deletion.to_json()}

    def _said(self, value: float) -> str:
        return f"{value:.1f} years" if self.target.class_index is None else f"{100 * value:.0f} %"
