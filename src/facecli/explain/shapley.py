"""SHAP (Lundberg, Lee: "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017).

Owen values of a tree of rectangles, halved again and again (`shap.PartitionExplainer`): parts of
the face are shown or replaced by the reference, and each gets the share of the difference that it
makes, averaged over the company it is in. It asks the network for outputs only, no gradients.
"""

from collections.abc import Sequence

import numpy as np

from facecli.explain.heat_map import HeatMap, over_pixels
from facecli.explain.method_names import check_installed
from facecli.explain.network import ExplainedNetwork
from facecli.explain.target import Target

EVALUATIONS = 500
"""Pictures that the network looks at; the finest rectangles follow from it."""
_BATCH_SIZE = 50


def shapley(
    network: ExplainedNetwork,
    crop: np.ndarray,
    targets: Sequence[Target],
    reference: np.ndarray,
    evaluations: int = EVALUATIONS,
) -> list[HeatMap]:
    """A map for each target; all are read off the same pictures. The values sum to the difference.

    Args:
        network: outputs come from it.
        crop: (h, w, 3) RGB, 0..255.
        targets: what is explained.
        reference: (h, w, 3) float32 that hidden parts are replaced by.
        evaluations: pictures that the network looks at, about.

    Raises:
        FacecliError: shap is not installed.
    """
    check_installed("shap")
    import shap

    def scores(pictures: np.ndarray) -> np.ndarray:
        return network.all_scores(pictures, targets)

    picture = crop.astype(np.float32)
    explainer = shap.PartitionExplainer(scores, shap.maskers.Image(reference))
    found = explainer(picture[None], max_evals=evaluations, batch_size=_BATCH_SIZE, silent=True)
    # (1, h, w, 3, targets); with one target some releases leave the last axis out.
    values = np.asarray(found.values).reshape(*picture.shape, len(targets))
    ends = scores(np.stack([reference, picture]))
    return [
        HeatMap(over_pixels(values[..., index]), True, (float(ends[0, index]), float(ends[1, index])))
        for index in range(len(targets))
    ]
