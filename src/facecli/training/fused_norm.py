"""Batch normalisation as one operation while a network is trained on TensorFlow.

Keras spells it out in some ten operations, each a pass over the activations in float32. TensorFlow's
fused one reads them once, in bfloat16 too: on processors with AMX a training step then takes two
thirds of its time (benchmarks/training_speed.md). The layers are swapped in place, so that weights,
names and saved files stay those of the plain network.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
from keras import layers, ops


class _FusedNormalization(layers.BatchNormalization):
    """Takes (n, h, w, c) only; `fused_normalization` picks such layers."""

    def call(self, inputs, training=None, mask=None):
        from tensorflow.compat.v1.nn import fused_batch_norm

        if not (training and self.trainable):
            statistics = {"mean": ops.cast(self.moving_mean, "float32")}
            statistics["variance"] = ops.cast(self.moving_variance, "float32")
            return fused_batch_norm(inputs, *self._affine(), **statistics, **self._options(False))[0]
        normed, mean, variance = fused_batch_norm(inputs, *self._affine(), **self._options(True))
        count = ops.cast(ops.size(inputs) // ops.shape(inputs)[-1], "float32")
        # TensorFlow gives the unbiased variance, Keras keeps the biased one.
        self._follow(self.moving_mean, mean)
        self._follow(self.moving_variance, variance * (count - 1) / count)
        return normed

    def _affine(self):
        ones = ops.ones(self.moving_mean.shape, "float32")
        gamma = ops.cast(self.gamma, "float32") if self.scale else ones
        beta = ops.cast(self.beta, "float32") if self.center else ops.zeros_like(ones)
        return gamma, beta

    def _options(self, training: bool) -> dict[str, object]:
        return {"epsilon": self.epsilon, "is_training": training}

    def _follow(self, moving, value) -> None:
        value = ops.stop_gradient(ops.cast(value, moving.dtype))
        moving.assign(moving * self.momentum + value * (1 - self.momentum))


# Keras names the weights in its files after the class.
_FusedNormalization.__name__ = layers.BatchNormalization.__name__


@contextmanager
def fused_normalization(model: keras.Model) -> Iterator[None]:
    """Within the block the normalisations of pictures are fused ones; on other backends nothing changes.

    Functions that were compiled before keep the plain ones.
    """
    swapped = []
    if keras.backend.backend() == "tensorflow":
        swapped = [layer for layer in model._flatten_layers() if _can_be_fused(layer)]
    for layer in swapped:
        layer.__class__ = _FusedNormalization
    try:
        yield
    finally:
        for layer in swapped:
            layer.__class__ = layers.BatchNormalization


def _can_be_fused(layer: keras.layers.Layer) -> bool:
    # float16 statistics would need a float16 operation, which TensorFlow lacks on a CPU.
    return (
        type(layer) is layers.BatchNormalization
        and layer.axis == -1
        and layer.built
        and layer.input_spec.ndim == 4
        and layer.compute_dtype in ("float32", "bfloat16")
    )
