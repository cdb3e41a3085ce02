"""One face, some heads, one method: heat maps."""

from collections.abc import Sequence

import numpy as np

from facecli.explain.grad_cam import grad_cam
from facecli.explain.heat_map import HeatMap
from facecli.explain.integrated import integrated_gradients
from facecli.explain.network import ExplainedNetwork
from facecli.explain.shapley import shapley
from facecli.explain.smooth_grad import smooth_grad
from facecli.explain.target import Target


def explain(
    network: ExplainedNetwork,
    crop: np.ndarray,
    targets: Sequence[Target],
    method: str,
    reference: np.ndarray,
) -> list[HeatMap]:
    """A heat map (h, w) for each target.

    Args:
        network: what is explained.
        crop: (h, w, 3) RGB, 0..255, of the network's size.
        targets: heads and classes; may be empty.
        method: name from `method_names.METHODS`.
        reference: (h, w, 3) float32, see `reference.reference_of`; grad-cam and smooth-grad do without.

    Raises:
        InputError: gradients that the backend or the network does not have.
        FacecliError: shap is not installed.
    """
    if not targets:
        return []
    if method == "shap":
        return shapley(network, crop, targets, reference)
    if method == "grad-cam":
        return [grad_cam(network, crop, target) for target in targets]
    if method == "smooth-grad":
        return smooth_grad(network, crop, targets)
    return integrated_gradients(network, crop, targets, reference)
