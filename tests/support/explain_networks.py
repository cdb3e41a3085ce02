"""Networks whose truth is known: what they look at was built in."""

from pathlib import Path

import numpy as np
import pytest

from facecli.core.attributes import HEAD_CLASSES
from facecli.models.checkpoint import Checkpoint

keras = pytest.importorskip("keras")
SIDE = 16
CORNER = (slice(0, 6), slice(0, 6))
"""Rows and columns that the built networks look at."""


def explained_network(network, heads, size=SIDE):
    from facecli.explain.network import ExplainedNetwork

    return ExplainedNetwork(network, Checkpoint(Path("tiny"), {"heads": list(heads), "name": "tiny",
                                                               "image_size": [size, size]}))  # fmt: skip


def corner_network():
    """Bright corner: female and old; nothing else matters. Linear, so that every value is known."""
    image = keras.Input((SIDE, SIDE, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Cropping2D(((0, SIDE - 6), (0, SIDE - 6)))(x)
    x = keras.layers.Flatten()(x)
    outputs = {
        head: keras.layers.Dense(HEAD_CLASSES[head], "softmax", name=head)(x) for head in ("age", "gender")
    }
    network = keras.Model(image, outputs)
    pixels = 6 * 6 * 3
    gender = np.stack([np.full(pixels, -4 / pixels), np.full(pixels, 4 / pixels)], axis=1)
    network.get_layer("gender").set_weights([gender, np.array([2.0, -2.0])])
    years = np.arange(HEAD_CLASSES["age"])
    age = np.tile(years * (0.2 / pixels), (pixels, 1))
    network.get_layer("age").set_weights([age, -0.15 * years])
    return network


def bright_network():
    """Female where much is bright, wherever it is: a convolution, then the mean over the picture."""
    image = keras.Input((SIDE, SIDE, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(2, 3, 2, padding="same", activation="relu", name="look")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    network = keras.Model(image, {"gender": keras.layers.Dense(2, "softmax", name="gender")(x)})
    kernel = np.stack([np.full((3, 3, 3), 0.1), np.full((3, 3, 3), -0.1)], axis=-1)
    network.get_layer("look").set_weights([kernel, np.zeros(2)])
    network.get_layer("gender").set_weights([np.array([[-3.0, 3.0], [0.0, 0.0]]), np.zeros(2)])
    return network
