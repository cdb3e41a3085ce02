"""SmoothGrad (Smilkov et al.: "SmoothGrad: removing noise by adding noise", 2017)."""

from collections.abc import Sequence

import numpy as np

from facecli.explain.heat_map import HeatMap, over_pixels
from facecli.explain.network import ExplainedNetwork
from facecli.explain.target import Target

SAMPLES = 32
_NOISE_SHARE = 0.15
_SEED = 1


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
