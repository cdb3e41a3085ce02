"""The same network from a float picture: a path along which gradients flow.

A model folder's network takes uint8 and scales inside. Keras casts whatever it is given to the
type of its input, and a cast to uint8 has no gradient; so the graph is laid a second time on a
float32 input, through the very same layers (no weight is copied).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import tree


class FloatPath(NamedTuple):
    """A network on a float32 picture.

    Attributes:
        model: (n, h, w, 3) float32 RGB, 0..255, to head -> probabilities (n, classes); shares
            its layers with the original.
        spatial: KerasTensor (n, rows, columns, channels): the last feature map that everything
            flows through. None when there is none.
    """

    model: keras.Model
    spatial: Any


class _Call(NamedTuple):
    inputs: frozenset[int]
    output: Any


def float_path(network: keras.Model) -> FloatPath:
    """Lays the graph of a functional network with one uint8 or float picture as input anew."""
    image = keras.Input(network.input.shape[1:], dtype="float32", name="float_image")
    calls: list[_Call] = []
    model = _laid(network, image, _recorder(calls))
    return FloatPath(model, _last_spatial(calls, image))


def _laid(network: keras.Model, image, call: Callable) -> keras.Model:
    # A fresh tensor of the same kind where the network has a list or dict of one input.
    inputs = tree.pack_sequence_as(network.input, [image])
    return keras.models.clone_model(
        network, input_tensors=inputs, clone_function=lambda layer: layer, call_function=call
    )


def _recorder(calls: list[_Call]) -> Callable:
    """A function that calls a layer, goes into nested networks, and writes down what it called."""

    def call(layer, *arguments, **options):
        if isinstance(layer, keras.Sequential):
            (x,) = arguments
            for inner in layer.layers:
                x = call(inner, x)
            return x
        if isinstance(layer, keras.Model):
            # A nested network casts to its own input's type, too.
            return _laid(layer, tree.flatten(arguments)[0], call).output
        output = layer(*arguments, **options)
        given = [one for one in tree.flatten((arguments, options)) if isinstance(one, keras.KerasTensor)]
        calls.append(_Call(frozenset(map(id, given)), output))
        return output

    return call


def _last_spatial(calls: list[_Call], image):
    """The last 4-D tensor that no path from picture to heads goes around."""
    made_at = {id(image): -1}
    for position, call in enumerate(calls):
        made_at |= {id(one): position for one in tree.flatten(call.output)}
    # Oldest tensor that is still read after each call: an older one goes around it.
    oldest, found = len(calls), None
    for position in range(len(calls) - 1, -1, -1):
        output = calls[position].output
        if oldest >= position and _is_map(output):
            found = output
            break
        oldest = min([oldest, *(made_at[one] for one in calls[position].inputs)])
    return found


def _is_map(output) -> bool:
    if not isinstance(output, keras.KerasTensor) or len(output.shape) != 4:
        return False
    return None not in output.shape[1:] and output.shape[1] * output.shape[2] > 1
