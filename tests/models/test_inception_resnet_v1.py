"""The trunk: taps, names, scaling, no executable layers."""

import keras
import numpy as np
import pytest

from facecli.models.inception_resnet_v1 import TAP_DIMS, TAPS, build_inception_resnet_v1


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build_inception_resnet_v1(TAPS)


@pytest.mark.parametrize("taps", [(), ("block35",), ("embedding", "nose")])
def test_unknown_or_no_taps_are_refused(taps):
    with pytest.raises(ValueError, match="taps must be"):
        build_inception_resnet_v1(taps)


def test_features_have_the_stated_dimensions_and_the_embedding_length_one(model):
    images = np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3), dtype=np.uint8)
    features = model(images, training=False)
    assert {tap: tuple(out.shape) for tap, out in features.items()} == {
        tap: (2, TAP_DIMS[tap]) for tap in TAPS
    }
    lengths = np.linalg.norm(keras.ops.convert_to_numpy(features["embedding"]), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


def test_size_is_that_of_the_published_network(model):
    assert model.count_params() == 23_497_424
    assert sum(len(layer.weights) for layer in model.layers) == 490


def test_layer_names_are_those_of_the_published_arrays(model):
    names = {f"{layer.name}_{weight.name}" for layer in model.layers for weight in layer.weights}
    assert {
        "Conv2d_1a_3x3_kernel",
        "Block35_5_Branch_2_Conv2d_0c_3x3_BatchNorm_beta",
        "Block17_10_Branch_1_Conv2d_0b_1x7_kernel",
        "Block17_1_Conv2d_1x1_bias",
        "Mixed_7a_Branch_2_Conv2d_1a_3x3_BatchNorm_moving_variance",
        "Block8_6_Conv2d_1x1_kernel",
        "Bottleneck_kernel",
        "Bottleneck_BatchNorm_moving_mean",
    } <= names
    assert not any(name.endswith("gamma") for name in names)


def test_pixels_are_scaled_inside(model):
    scale = model.get_layer("scale")
    scaled = keras.ops.convert_to_numpy(scale(np.array([[0, 127, 255]], np.uint8)))
    np.testing.assert_allclose(scaled, (np.array([[0, 127, 255]]) - 127.5) / 128, atol=1e-6)


def test_a_middle_tap_leaves_out_the_end_of_the_network():
    middle = build_inception_resnet_v1(("block17",))
    assert list(middle.output) == ["block17"]
    assert not any(layer.name.startswith(("Block8", "Bottleneck")) for layer in middle.layers)


def test_only_the_last_block_goes_without_relu(model):
    names = {layer.name for layer in model.layers}
    assert "Block8_5_Activation" in names
    assert "Block8_6_Activation" not in names


def test_every_layer_is_of_keras_itself(model):
    for layer in model.layers:
        assert type(layer).__module__.startswith("keras."), layer.name
        assert not isinstance(layer, keras.layers.Lambda)
