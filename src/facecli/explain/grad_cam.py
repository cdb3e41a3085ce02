"""Grad-CAM (Selvaraju et al.: "Grad-CAM: Visual Explanations from Deep Networks", ICCV 2017)."""

import cv2
import numpy as np

from facecli.explain.heat_map import HeatMap
from facecli.explain.network import ExplainedNetwork
from facecli.explain.target import Target


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
