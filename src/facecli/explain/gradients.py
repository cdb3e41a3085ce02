"""Gradients of a score. Keras has no common way to them: TensorFlow's tape is the one used here."""

from collections.abc import Sequence

import keras
import numpy as np

from facecli.errors import InputError
from facecli.explain.target import Target

NEEDED_BACKEND = "tensorflow"


def check_backend() -> None:
    """Raises InputError unless Keras computes with TensorFlow."""
    found = keras.backend.backend()
    if found != NEEDED_BACKEND:
        raise InputError(
            f"gradients need Keras on {NEEDED_BACKEND}, not {found}; unset KERAS_BACKEND or use --method shap"
        )


def input_gradients(model: keras.Model, images: np.ndarray, targets: Sequence[Target]) -> list[np.ndarray]:
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


def map_gradients(model: keras.Model, image: np.ndarray, target: Target) -> tuple[np.ndarray, np.ndarray]:
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
