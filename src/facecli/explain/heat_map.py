"""Heat maps: how much each pixel of a crop did for or against a score, by the methods that tell it.

Grad-CAM, integrated gradients, SmoothGrad, and Owen values of a tree of rectangles, halved again and again
(`shap.PartitionExplainer`): parts of the face are shown or replaced by the reference, and each gets the share
of the difference that it makes, averaged over the company it is in. The last asks the network for outputs
only, no gradients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from keras import ops

from facecli.core.arrays import Array, Tensor
from facecli.core.attributes import CLASS_NAMES, FACE_HEADS
from facecli.explain import check_installed
from facecli.models.readout import expected_age

if TYPE_CHECKING:
    from facecli.explain.network import ExplainedNetwork

HEADS = ("age", *FACE_HEADS)
"""Heads that say what a face is like, in the order in which they are shown."""
_SMALLEST = 1e-30
_SMOOTH_SHARE = 1 / 40

REFERENCES = {
    "blur": "the same face, blurred until only colours and light are left",
    "mean": "the face's mean colour everywhere",
    "grey": "mid-grey everywhere",
}
_BLUR_SHARE = 1 / 8
_MID_GREY = 127.5

STEPS = 64
"""On the way from the reference to the crop."""
SAMPLES = 32
"""Noisy copies."""
_NOISE_SHARE = 0.15
_SEED = 1

EVALUATIONS = 500
"""Pictures that the network looks at; the finest rectangles follow from it."""
_BATCH_SIZE = 50


@dataclass(frozen=True)
class Target:
    """A head and, of a class head, one class.

    Log-odds and not the probability: where a model is sure, a probability hardly moves whatever
    is done to the picture, and its gradient vanishes.

    Attributes:
        head: of the network.
        class_index: None for the age.
        classes: names of the head's; of one that facecli knows they need not be given.
    """

    head: str
    class_index: int | None = None
    classes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What people call it: "age", "female"."""
        if self.class_index is None:
            return self.head
        return (self.classes or CLASS_NAMES[self.head])[self.class_index]

    @property
    def unit(self) -> str:
        """Of the score."""
        return "years" if self.class_index is None else "log-odds"

    @property
    def ends(self) -> tuple[str, str]:
        """What a negative and a positive value of a heat map mean."""
        if self.class_index is None:
            return "younger", "older"
        return f"against {self.name}", f"for {self.name}"

    def score(self, outputs: Tensor) -> Tensor:
        """(n,) of a tensor of the head's probabilities (n, classes); differentiable.

        The age is the expectation of its distribution, as `models.readout.expected_age` reads it.
        """
        if self.class_index is None:
            years = ops.arange(outputs.shape[-1], dtype="float32")
            return ops.sum(outputs * years, axis=-1)
        chosen = np.arange(outputs.shape[-1]) == self.class_index
        others = ops.sum(outputs * (~chosen).astype(np.float32), axis=-1)
        # Sum of the others, not 1 - p: that would be 0 in float32 where a model is sure.
        return ops.log(outputs[:, self.class_index] + _SMALLEST) - ops.log(others + _SMALLEST)

    def value(self, probabilities: Array) -> Array:
        """What people read of (n, classes) probabilities: years, or the class's probability; (n,)."""
        if self.class_index is None:
            return expected_age(probabilities)
        return probabilities[:, self.class_index]

    def order(self, values: Array) -> Array:
        """A heat map as numbers that are larger the hotter a pixel is.

        What speaks for a class is hot; an age is driven by what makes older and by what makes younger.
        """
        return np.abs(values) if self.class_index is None else values


def predicted_target(head: str, probabilities: Array, classes: tuple[str, ...] = ()) -> Target:
    """The age, or the most probable class of (classes,) probabilities; `classes` as `Target` has them."""
    return Target(head, None if head == "age" else int(np.argmax(probabilities)), classes)


@dataclass(frozen=True)
class HeatMap:
    """Values of the pixels of a crop.

    Attributes:
        values: (h, w) float32.
        signed: negative values speak against; otherwise there are none.
        additive: (score of the reference, score of the crop) when the values share out the
            difference between them, in the score's unit; None when they are relative only.
    """

    values: Array
    signed: bool = True
    additive: tuple[float, float] | None = None

    @property
    def residual(self) -> float | None:
        """What of an additive map's difference its values miss, in the score's unit."""
        if self.additive is None:
            return None
        before, after = self.additive
        return (after - before) - float(self.values.sum(dtype=np.float64))


def over_pixels(attributions: Array) -> Array:
    """(h, w, 3) attributions summed over the colours and smoothed over the neighbours, (h, w).

    Neighbouring pixels share what they show, and single ones are noise. The sum stays.
    """
    values = attributions.sum(axis=-1, dtype=np.float64)
    sigma = max(values.shape) * _SMOOTH_SHARE
    # This border counts no pixel more often than another: that keeps the sum.
    return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT).astype(np.float32)


def reference_of(crop: Array, name: str = "blur") -> Array:
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


def grad_cam(network: "ExplainedNetwork", crop: Array, target: Target) -> HeatMap:
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
    network: "ExplainedNetwork",
    crop: Array,
    targets: Sequence[Target],
    reference: Array,
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
    network: "ExplainedNetwork", crop: Array, targets: Sequence[Target], samples: int = SAMPLES
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
    network: "ExplainedNetwork",
    crop: Array,
    targets: Sequence[Target],
    reference: Array,
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

    def scores(pictures: Array) -> Array:
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
    network: "ExplainedNetwork",
    crop: Array,
    targets: Sequence[Target],
    method: str,
    reference: Array,
) -> list[HeatMap]:
    """A heat map (h, w) for each target.

    Args:
        network: what is explained.
        crop: (h, w, 3) RGB, 0..255, of the network's size.
        targets: heads and classes; may be empty.
        method: name from `explain.METHODS`.
        reference: (h, w, 3) float32, see `reference_of`; grad-cam and smooth-grad do without.

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
