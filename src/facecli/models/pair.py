"""Two trained networks of one shape become one that answers with the mean of what both say.

What chance has made of a training differs from one to the next, and much of it goes away in the
mean (Hansen and Salamon, Neural network ensembles, TPAMI 1990).
"""

from collections.abc import Mapping

import keras
import numpy as np

from facecli.labels import HEAD_CLASSES
from facecli.models.build import build_model

_SECOND = "trunk2"


def join_pair(first: keras.Model, second: keras.Model) -> keras.Model:
    """A network of backbone "pair" out of two networks of backbone "compact".

    Args:
        first, second: with the same picture size and outputs.

    Returns:
        A network with these outputs. Its heads say the mean of both in log-probabilities, its
        projections the mean.

    Raises:
        ValueError: the two, or "compact" and they, are of different shapes.
    """
    heads = [name for name in first.output if name in HEAD_CLASSES]
    sizes = {name: output.shape[-1] for name, output in first.output.items() if name not in heads}
    if set(first.output) != set(second.output) or first.input.shape != second.input.shape:
        raise ValueError("the two have not the same outputs and picture size")
    network = build_model("pair", heads, first.input.shape[1:3], sizes)
    _fill(_by_name(network.get_layer("backbone")), _inside(first), _inside(second))
    _fill(_by_name(network), _by_name(first), _by_name(second), means=tuple(first.output))
    return network


def _inside(network: keras.Model) -> dict[str, keras.layers.Layer]:
    return _by_name(network.get_layer("backbone"))


def _by_name(network: keras.Model) -> dict[str, keras.layers.Layer]:
    """Its layers with weights of their own, nested networks left out."""
    return {
        layer.name: layer for layer in network.layers if layer.weights and not isinstance(layer, keras.Model)
    }


def _fill(
    layers: Mapping[str, keras.layers.Layer],
    first: Mapping[str, keras.layers.Layer],
    second: Mapping[str, keras.layers.Layer],
    means: tuple[str, ...] = (),
) -> None:
    for name, layer in layers.items():
        if name in means:
            layer.set_weights(_mean_of(first[name].get_weights(), second[name].get_weights()))
        elif _SECOND in name:
            alone = name.removeprefix(f"{_SECOND}_").removesuffix(f"_{_SECOND}")
            layer.set_weights(second[alone].get_weights())
        else:
            layer.set_weights(first[name].get_weights())


def _mean_of(first: list[np.ndarray], second: list[np.ndarray]) -> list[np.ndarray]:
    """Kernel and bias of a layer that sees the inputs of both and gives the mean of their outputs."""
    kernels = np.concatenate([first[0], second[0]]).astype(np.float32) / 2
    return [kernels, (first[1].astype(np.float32) + second[1]) / 2]
