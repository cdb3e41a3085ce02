"""Does a heat map depend on what was learnt? (Adebayo et al.: "Sanity Checks for Saliency Maps", 2018.)"""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np

from facecli.explain.target import Target


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


def rank_correlation(values: np.ndarray, others: np.ndarray, target: Target) -> float:
    """Spearman's correlation of two heat maps (h, w) of one target, by how hot pixels are.

    1: the same order; 0: nothing in common, also when a map has one value everywhere.
    """
    from scipy.stats import spearmanr

    first, second = target.order(values).ravel(), target.order(others).ravel()
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first, second).statistic)
