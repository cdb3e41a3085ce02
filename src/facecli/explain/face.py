"""One face: every head that is asked for, by every method, with its check."""

from collections.abc import Iterator, Sequence

import numpy as np

from facecli.explain.deletion import delete
from facecli.explain.explained import Explained
from facecli.explain.methods import explain
from facecli.explain.network import ExplainedNetwork
from facecli.explain.reference import reference_of
from facecli.explain.target import predicted_target


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
        methods: names from `method_names.METHODS`.
        reference_name: name from `reference.REFERENCES`.

    Raises:
        InputError: gradients that the backend or the network does not have.
        FacecliError: shap is not installed.
    """
    reference = reference_of(crop, reference_name)
    read = network.predict(crop[None])
    targets = [predicted_target(head, read[head][0]) for head in heads]
    for method in methods:
        maps = explain(network, crop, targets, method, reference)
        for target, heat in zip(targets, maps, strict=True):
            check = delete(network, crop, target, heat.values, reference)
            interval = _interval(network, read["age"]) if target.head == "age" else None
            yield Explained(crop, target, method, reference_name, heat, check, interval)


def _interval(network: ExplainedNetwork, probabilities: np.ndarray) -> tuple[int, int]:
    low, high = network.calibration.age_interval(probabilities)
    return int(low[0]), int(high[0])
