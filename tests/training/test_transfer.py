"""Heads on FaceNet, with a trunk of random weights."""

import keras
import numpy as np
import pytest

from facecli.core.errors import InputError
from facecli.models.inception_resnet_v1 import TAP_DIMS, TAPS, build_inception_resnet_v1
from facecli.training.train import build_feature_heads, compose, unfreeze_blocks


@pytest.fixture(scope="module")
def network():
    heads = build_feature_heads(sum(TAP_DIMS.values()), ("age", "gender"))
    return compose(build_inception_resnet_v1(TAPS), heads)


def trunk(network):
    return next(
        layer
        for layer in network.layers
        if "Block17_10_Conv2d_1x1" in [inner.name for inner in getattr(layer, "layers", [])]
    )


def test_it_looks_at_pictures_and_gives_heads(network):
    assert network.input.shape == (None, 160, 160, 3)
    assert set(network.output) == {"age", "gender"}


def test_the_trunk_is_frozen_until_it_is_told(network):
    assert not trunk(network).trainable_variables
    assert network.trainable_variables


def test_too_many_blocks(network):
    with pytest.raises(InputError, match="cannot unfreeze 99 blocks"):
        unfreeze_blocks(network, 99)


def test_unfrozen_blocks_change_and_no_others(network):
    chosen = unfreeze_blocks(network, 2)
    assert chosen == ["Block8_6", "Bottleneck"]
    before = {
        weight.path: weight.numpy().copy() for weight in trunk(network).weights if "kernel" in weight.path
    }
    network.compile(
        keras.optimizers.SGD(0.1), {"age": "categorical_crossentropy", "gender": "categorical_crossentropy"}
    )
    crops = np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3), np.uint8)
    network.train_on_batch(crops, {"age": np.eye(117)[[3, 60]], "gender": np.eye(2)})
    changed = {
        path.split("/")[-2]
        for path, values in before.items()
        for weight in trunk(network).weights
        if weight.path == path and np.abs(weight.numpy() - values).max() > 0
    }
    assert changed
    assert all(name.startswith(("Block8_6", "Bottleneck")) for name in changed)
