"""One face: every head that is asked for, by every method, with its check.

Does a heat map mean something? Deletion (Samek et al. 2017), randomised weights (Adebayo et al. 2018).
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from facecli.core.arrays import Array
from facecli.explain.heat_map import HeatMap, Target, compute_heat_maps, predicted_target, reference_of
from facecli.explain.network import ExplainedNetwork

SHARE = 0.1
DRAWS = 10


@dataclass(frozen=True)
class Deletion:
    """What became of a result when a tenth of the pixels was replaced by the reference.

    An effect is by how much the score was hurt: the log-odds that a class lost, or the years, up
    or down, that an age moved. Values are what people read: calibrated probability, or years.

    Attributes:
        value, value_hottest, value_random: of the crop; without its hottest tenth; mean over the
            draws without as many random pixels.
        effect_hottest, effect_random: effects; of random pixels the mean.
        effect_shifted: mean effect of the hottest tenth's own shape, moved to random places (around
            the edges): shape alone hurts more than scattered pixels do.
        draws: random pixels, and random places.
    """

    value: float
    value_hottest: float
    value_random: float
    effect_hottest: float
    effect_random: float
    effect_shifted: float
    draws: int = DRAWS

    def to_json(self) -> dict[str, Any]:
        """Plain rounded numbers under the attributes' names."""
        row = {name: round(value, 4) for name, value in vars(self).items() if name != "draws"}
        return {"share": SHARE, "draws": self.draws, **row}


def measure_deletion(
    network: ExplainedNetwork,
    crop: Array,
    target: Target,
    values: Array,
    reference: Array,
    seed: int = 1,
    draws: int = DRAWS,
) -> Deletion:
    """Replaces the hottest tenth, and for comparison other tenths.

    Args:
        network: reads the pictures.
        crop: (h, w, 3) RGB, 0..255.
        target: what is looked at.
        values: (h, w), the heat map.
        reference: (h, w, 3) float32 whose pixels replace.
        seed: of the random tenths.
        draws: random tenths of each kind.
    """
    random = np.random.default_rng(seed)
    hottest = hottest_mask(target.order(values))
    masks = [np.zeros_like(hottest), hottest]
    masks += [random.permutation(hottest.ravel()).reshape(hottest.shape) for _ in range(draws)]
    masks += [_moved(hottest, random) for _ in range(draws)]
    pictures = np.where(np.stack(masks)[..., None], reference, crop.astype(np.float32))
    shown = target.value(network.predict(pictures)[target.head])
    scores = network.scores(pictures, target).astype(np.float64)
    hurt = np.abs(scores[0] - scores) if target.class_index is None else scores[0] - scores
    return Deletion(
        float(shown[0]),
        float(shown[1]),
        float(shown[2 : 2 + draws].mean()),
        float(hurt[1]),
        float(hurt[2 : 2 + draws].mean()),
        float(hurt[2 + draws :].mean()),
        draws,
    )


def hottest_mask(order: Array, share: float = SHARE) -> Array:
    """(h, w) bool: the largest values, exactly `share` of the pixels (rounded), among equals the first."""
    mask = np.zeros(order.size, bool)
    mask[np.argsort(-order.ravel(), kind="stable")[: round(order.size * share)]] = True
    return mask.reshape(order.shape)


def _moved(mask: Array, random: np.random.Generator) -> Array:
    """The same shape elsewhere; what leaves on one side enters on the other."""
    height, width = mask.shape
    step = int(random.integers(1, height * width))
    return np.roll(mask, (step // width, step % width), axis=(0, 1))


@contextlib.contextmanager
def randomised(network: keras.Model, seed: int = 1) -> Iterator[None]:
    """Within the block the network has learnt nothing: each weight tensor's numbers are shuffled.

    Shuffled and not drawn anew, so that all layers keep the scale that the network was made for.
    Everything that shares the layers is changed alike; afterwards all is as it was.
    """
    before = network.get_weights()
    random = np.random.default_rng(seed)
    try:
        network.set_weights([random.permutation(one.ravel()).reshape(one.shape) for one in before])
        yield
    finally:
        network.set_weights(before)


def rank_correlation(values: Array, others: Array, target: Target) -> float:
    """Spearman's correlation of two heat maps (h, w) of one target, by how hot pixels are.

    1: the same order; 0: nothing in common, also when a map has one value everywhere.
    """
    from scipy.stats import spearmanr

    first, second = target.order(values).ravel(), target.order(others).ravel()
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first, second).statistic)


_TENTH = f"{100 * SHARE:.0f} %"


@dataclass(frozen=True)
class Explained:
    """A heat map with what it is about.

    Attributes:
        crop: (h, w, 3) uint8 RGB, what the network saw.
        target: what is explained.
        method: name from `explain.METHODS`.
        reference_name: name from `explain.heat_map.REFERENCES`.
        heat: the map.
        deletion: its check.
        interval: first and last year of the age's 90 % interval; None for class heads.
    """

    crop: Array
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
    crop: Array,
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
        reference_name: name from `explain.heat_map.REFERENCES`.

    Raises:
        InputError: gradients that the backend or the network does not have.
        FacecliError: shap is not installed.
    """
    reference = reference_of(crop, reference_name)
    read = network.predict(crop[None])
    further = network.checkpoint.further
    targets = [predicted_target(head, read[head][0], further.get(head, ())) for head in heads]
    for method in methods:
        maps = compute_heat_maps(network, crop, targets, method, reference)
        for target, heat in zip(targets, maps, strict=True):
            check = measure_deletion(network, crop, target, heat.values, reference)
            interval = _interval(network, read["age"]) if target.head == "age" else None
            yield Explained(crop, target, method, reference_name, heat, check, interval)


def _interval(network: ExplainedNetwork, probabilities: Array) -> tuple[int, int]:
    low, high = network.calibration.age_interval(probabilities)
    return int(low[0]), int(high[0])
