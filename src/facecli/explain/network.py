"""A model folder's Keras network, for explaining: outputs, scores and gradients along a float path.

A model folder's network takes uint8 and scales inside. Keras casts whatever it is given to the
type of its input, and a cast to uint8 has no gradient; so the graph is laid a second time on a
float32 input, through the very same layers (no weight is copied).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import tree

from facecli.core.arrays import Array, Tensor
from facecli.core.errors import InputError
from facecli.explain.heat_map import Target
from facecli.models.checkpoint import Checkpoint
from facecli.models.readout import Calibration, load_calibration

NEEDED_BACKEND = "tensorflow"

_BATCH_SIZE = 64


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


def _laid(network: keras.Model, image: Tensor, call: Callable[..., Any]) -> keras.Model:
    # A fresh tensor of the same kind where the network has a list or dict of one input.
    inputs = tree.pack_sequence_as(network.input, [image])
    return keras.models.clone_model(
        network, input_tensors=inputs, clone_function=lambda layer: layer, call_function=call
    )


def _recorder(calls: list[_Call]) -> Callable[..., Any]:
    """A function that calls a layer, goes into nested networks, and writes down what it called."""

    def call(layer: Any, *arguments: Any, **options: Any) -> Tensor:
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


def _last_spatial(calls: list[_Call], image: Tensor) -> Tensor | None:
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


def _is_map(output: Tensor) -> bool:
    if not isinstance(output, keras.KerasTensor) or len(output.shape) != 4:
        return False
    return None not in output.shape[1:] and output.shape[1] * output.shape[2] > 1


def check_backend() -> None:
    """Raises InputError unless Keras computes with TensorFlow."""
    found = keras.backend.backend()
    if found != NEEDED_BACKEND:
        raise InputError(
            f"gradients need Keras on {NEEDED_BACKEND}, not {found}; unset KERAS_BACKEND or use --method shap"
        )


def input_gradients(model: keras.Model, images: Array, targets: Sequence[Target]) -> list[Array]:
    """d score / d pixel, for all targets from one pass forward.

    Args:
        model: from a float picture to head -> probabilities.
        images: (n, h, w, 3) RGB, 0..255.
        targets: what is scored.

    Returns:
        (n, h, w, 3) float32 for each target; 0 where nothing depends on a pixel.
    """
    check_backend()
    import tensorflow as tf

    pixels = tf.convert_to_tensor(images.astype(np.float32))
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(pixels)
        outputs = model(pixels, training=False)
        scores = [tf.reduce_sum(target.score(outputs[target.head])) for target in targets]
    return [tape.gradient(score, pixels, unconnected_gradients="zero").numpy() for score in scores]


def map_gradients(model: keras.Model, image: Array, target: Target) -> tuple[Array, Array]:
    """A feature map and d score / d feature map.

    Args:
        model: from a float picture to {"map": feature map, "heads": head -> probabilities}.
        image: (1, h, w, 3) RGB, 0..255.
        target: what is scored.

    Returns:
        Both (rows, columns, channels) float32.
    """
    check_backend()
    import tensorflow as tf

    pixels = tf.convert_to_tensor(image)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(pixels)
        outputs = model(pixels, training=False)
        score = tf.reduce_sum(target.score(outputs["heads"][target.head]))
    gradient = tape.gradient(score, outputs["map"], unconnected_gradients="zero")
    return outputs["map"].numpy()[0].astype(np.float32), gradient.numpy()[0].astype(np.float32)


class ExplainedNetwork:
    """Reads crops like `models.litert.Predictor`, and says how its outputs come about.

    Pictures are (n, h, w, 3) RGB, 0..255, uint8 or float; to be read, n may be 0. Everything but the two
    gradients works with every Keras backend.
    """

    def __init__(self, network: keras.Model, checkpoint: Checkpoint) -> None:
        """Takes the loaded network of a checkpoint.

        Raises CheckpointError when its calibration is damaged.
        """
        self.network = network
        self.checkpoint = checkpoint
        self.heads: tuple[str, ...] = checkpoint.heads
        self.image_size: tuple[int, int] = checkpoint.image_size
        self.calibration: Calibration = load_calibration(checkpoint)
        self._path = float_path(network)
        self._maps: keras.Model | None = None

    def predict(self, crops: Array) -> dict[str, Array]:
        """Head -> calibrated probabilities (n, classes) float32."""
        return self.calibration.apply(self.predict_raw(crops))

    def predict_raw(self, crops: Array) -> dict[str, Array]:
        """Like `predict`, as the network itself says it."""
        if not len(crops):
            # Some layers refuse an empty batch.
            counts = {head: self.checkpoint.class_count(head) for head in self.heads}
            return {head: np.empty((0, count), np.float32) for head, count in counts.items()}
        found = _batched(self._raw, crops)
        return {head: found[head] for head in self.heads}

    def scores(self, crops: Array, target: Target) -> Array:
        """(n,) float32: years, or log-odds of a class (not calibrated)."""
        return self.all_scores(crops, [target])[:, 0]

    def all_scores(self, crops: Array, targets: Sequence[Target]) -> Array:
        """(n, targets) float32, read off one pass through the network; at least one target."""
        found = self.predict_raw(crops)
        scores = [target.score(keras.ops.convert_to_tensor(found[target.head])) for target in targets]
        return np.stack([keras.ops.convert_to_numpy(one) for one in scores], axis=1)

    def gradients(self, crops: Array, targets: Sequence[Target]) -> list[Array]:
        """d score / d pixel, (n, h, w, 3) float32 a target. Raises InputError where the backend has none."""

        def compute(part: Array) -> Mapping[int, Array]:
            return dict(enumerate(input_gradients(self._path.model, part, targets)))

        return list(_batched(compute, crops).values())

    def spatial_gradients(self, crop: Array, target: Target) -> tuple[Array, Array]:
        """Feature map and d score / d feature map of one (h, w, 3) picture, (rows, columns, channels) each.

        Raises InputError for a network without a feature map, or as `gradients`.
        """
        from facecli.core.errors import InputError

        if self._path.spatial is None:
            raise InputError(
                f"{self.checkpoint.name} has no feature map that all predictions depend on; "
                "choose another --method"
            )
        if self._maps is None:
            outputs = {"map": self._path.spatial, "heads": self._path.model.output}
            self._maps = keras.Model(self._path.model.input, outputs)
        return map_gradients(self._maps, crop[None].astype(np.float32), target)

    def _raw(self, crops: Array) -> Mapping[str, Array]:
        outputs = self._path.model(crops.astype(np.float32), training=False)
        return {head: keras.ops.convert_to_numpy(outputs[head]) for head in self.heads}


def _batched(compute: Callable[[Array], Mapping[Any, Array]], crops: Array) -> dict[Any, Array]:
    starts = range(0, len(crops), _BATCH_SIZE)
    parts = [compute(crops[start : start + _BATCH_SIZE]) for start in starts]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
