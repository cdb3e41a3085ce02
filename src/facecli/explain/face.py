"""One face: every head that is asked for, by every method, with its check."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facecli.explain.checks import SHARE, Deletion, measure_deletion
from facecli.explain.heat_map import HeatMap, Target, predicted_target
from facecli.explain.methods import compute_heat_maps, reference_of
from facecli.explain.network import ExplainedNetwork

_TENTH = f"{100 * SHARE:.0f} %"


@dataclass(frozen=True)
class Explained:
    """A heat map with what it is about.

    Attributes:
        crop: (h, w, 3) uint8 RGB, what the network saw.
        target: what is explained.
        method: name from `explain.METHODS`.
        reference_name: name from `explain.methods.REFERENCES`.
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


def explain_face(
    network: ExplainedNetwork,
    crop: np.ndarray,
    heads: Sequence[str],
    methods: Sequence[str],
    reference_name: str = "blur",
) -> Iterator[Explained]:
    """Method by method, head by head.

    Args:
        network: what is explained.
        crop: (h, w, 3) uint8 RGB of the network's size.
        heads: of the network, "face" not among them.
        methods: names from `explain.METHODS`.
        reference_name: name from `explain.methods.REFERENCES`.

    Raises:
        InputError: gradients that the backend or the network does not have.
        FacecliError: shap is not installed.
    """
    reference = reference_of(crop, reference_name)
    read = network.predict(crop[None])
    targets = [predicted_target(head, read[head][0]) for head in heads]
    for method in methods:
        maps = compute_heat_maps(network, crop, targets, method, reference)
        for target, heat in zip(targets, maps, strict=True):
            check = measure_deletion(network, crop, target, heat.values, reference)
            interval = _interval(network, read["age"]) if target.head == "age" else None
            yield Explained(crop, target, method, reference_name, heat, check, interval)


def _interval(network: ExplainedNetwork, probabilities: np.ndarray) -> tuple[int, int]:
    low, high = network.calibration.age_interval(probabilities)
    return int(low[0]), int(high[0])
