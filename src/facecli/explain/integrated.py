"""Integrated gradients (Sundararajan, Taly, Yan: "Axiomatic Attribution for Deep Networks", ICML 2017)."""

from collections.abc import Sequence

import numpy as np

from facecli.explain.heat_map import HeatMap, over_pixels
from facecli.explain.network import ExplainedNetwork
from facecli.explain.target import Target

STEPS = 64


def integrated_gradients(
    network: ExplainedNetwork,
    crop: np.ndarray,
    targets: Sequence[Target],
    reference: np.ndarray,
    steps: int = STEPS,
) -> list[HeatMap]:
    """The gradient, averaged on the straight way from the reference to the crop, times the way.

    The values sum to the difference of the two scores ("completeness"), but for the error of the
    sum that stands for the integral: midpoints, which never look at the ends themselves.

    Args:
        network: gradients come from it.
        crop: (h, w, 3) RGB, 0..255.
        targets: what is explained, a map each; at least one.
        reference: (h, w, 3) float32 where the way begins.
        steps: points on the way.
    """
    way = crop.astype(np.float32) - reference
    points = (np.arange(steps, dtype=np.float32) + 0.5) / steps
    pictures = reference + points[:, None, None, None] * way
    before, after = network.all_scores(np.stack([reference, crop.astype(np.float32)]), targets)
    attributions = (one.mean(axis=0, dtype=np.float64) * way for one in network.gradients(pictures, targets))
    return [
        HeatMap(over_pixels(values), True, (float(start), float(end)))
        for values, start, end in zip(attributions, before, after, strict=True)
    ]
