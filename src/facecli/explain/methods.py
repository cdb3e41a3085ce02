"""Methods by name: Grad-CAM, integrated gradients, SmoothGrad, Shapley values.

Owen values of a tree of rectangles, halved again and again (`shap.PartitionExplainer`): parts of
the face are shown or replaced by the reference, and each gets the share of the difference that it
makes, averaged over the company it is in. It asks the network for outputs only, no gradients.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from facecli.explain import check_installed
from facecli.explain.heat_map import HeatMap, Target, over_pixels
from facecli.explain.network import ExplainedNetwork

REFERENCES = {
    "blur": "the same face, blurred until only colours and light are left",
    "mean": "the face's mean colour everywhere",
    "grey": "mid-grey everywhere",
}
_BLUR_SHARE = 1 / 8
_MID_GREY = 127.5

STEPS = 64

SAMPLES = 32
_NOISE_SHARE = 0.15
_SEED = 1

EVALUATIONS = 500
"""Pictures that the network looks at; the finest rectangles follow from it."""
_BATCH_SIZE = 50


def reference_of(crop: np.ndarray, name: str = "blur") -> np.ndarray:
    """The reference of one (h, w, 3) picture, 0..255, float32 of the same shape.

    Args:
        crop: RGB.
        name: one of REFERENCES.
    """
    picture = crop.astype(np.float32)
    if name == "blur":
        sigma = max(crop.shape[:2]) * _BLUR_SHARE
        return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    colour = picture.mean(axis=(0, 1)) if name == "mean" else np.full(3, _MID_GREY)
    return np.broadcast_to(colour, picture.shape).astype(np.float32)


def grad_cam(network: ExplainedNetwork, crop: np.ndarray, target: Target) -> HeatMap:
    """Channels of the last feature map that everything flows through, weighted by their mean gradients.

    Of a class only what speaks for it is kept, as in the paper; the age has no such side, and both
    are kept. The map is coarse, as the feature map is, and is enlarged to the crop.

    Args:
        network: feature map and gradients come from it.
        crop: (h, w, 3) RGB, 0..255.
        target: what is explained.

    Raises:
        InputError: the network has no feature map.
    """
    features, gradients = network.spatial_gradients(crop, target)
    values = (features * gradients.mean(axis=(0, 1))).sum(axis=-1)
    signed = target.class_index is None
    if not signed:
        values = np.maximum(values, 0)
    height, width = crop.shape[:2]
    # Linear and not cubic: what is positive stays so.
    return HeatMap(cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR), signed)


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


def smooth_grad(
    network: ExplainedNetwork, crop: np.ndarray, targets: Sequence[Target], samples: int = SAMPLES
) -> list[HeatMap]:
    """The gradient averaged over noisy copies of the crop, its size only.

    It says where the score is most easily moved, not whither. The noise is Gaussian with 15 % of
    the crop's range, the same noise every time.

    Args:
        network: gradients come from it.
        crop: (h, w, 3) RGB, 0..255.
        targets: what is explained, a map each; at least one.
        samples: noisy copies.
    """
    picture = crop.astype(np.float32)
    noise = np.random.default_rng(_SEED).normal(size=(samples, *crop.shape)).astype(np.float32)
    copies = picture + noise * _NOISE_SHARE * np.ptp(picture)
    gradients = network.gradients(copies, targets)
    return [HeatMap(over_pixels(np.abs(one.mean(axis=0))), False) for one in gradients]


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


def compute_heat_maps(
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
        method: name from `explain.METHODS`.
        reference: (h, w, 3) float32, see `explain.methods.reference_of`; grad-cam and smooth-grad do without.

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
