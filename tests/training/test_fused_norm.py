"""The fused normalisation computes what the plain one does, and leaves no trace of itself."""

import keras
import numpy as np
import pytest
from keras import layers

from facecli.training.engine import fused_normalization


def network(scale=True, center=True, trainable=True):
    keras.utils.set_random_seed(3)
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, use_bias=False)(image)
    options = {"scale": scale, "center": center, "trainable": trainable}
    x = layers.BatchNormalization(epsilon=1e-3, name="norm", **options)(x)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    x = layers.BatchNormalization(name="flat_norm")(layers.Dense(4)(x))
    model = keras.Model(image, layers.Dense(2)(x))
    random = np.random.default_rng(0)
    for layer in (model.get_layer("norm"), model.get_layer("flat_norm")):
        layer.set_weights([np.abs(random.normal(1, 0.3, value.shape)) for value in layer.get_weights()])
    return model


def after_steps(model, fused):
    random = np.random.default_rng(1)
    images, wanted = random.normal(2, 3, (16, 8, 8, 3)), random.normal(0, 1, (16, 2))
    model.compile(keras.optimizers.SGD(1e-2), "mse", jit_compile=False)
    if fused:
        with fused_normalization(model):
            return [model.train_on_batch(images, wanted) for _ in range(3)], model.predict(images, verbose=0)
    return [model.train_on_batch(images, wanted) for _ in range(3)], model.predict(images, verbose=0)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("trainable", [True, False])
def test_training_and_answers_are_those_of_the_plain_one(scale, center, trainable):
    plain, fused = (network(scale, center, trainable) for _ in range(2))
    losses, answers = after_steps(plain, fused=False)
    fused_losses, fused_answers = after_steps(fused, fused=True)
    np.testing.assert_allclose(fused_losses, losses, rtol=1e-4)
    np.testing.assert_allclose(fused_answers, answers, rtol=1e-3, atol=1e-4)
    for ours, theirs in zip(fused.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    assert losses[-1] != losses[0]


def test_the_swap_is_real_and_ends_with_the_block():
    model = network()
    with fused_normalization(model):
        assert type(model.get_layer("norm")) is not layers.BatchNormalization
        assert type(model.get_layer("flat_norm")) is layers.BatchNormalization
    assert type(model.get_layer("norm")) is layers.BatchNormalization


def test_it_ends_with_an_error_too():
    model = network()
    with pytest.raises(RuntimeError), fused_normalization(model):
        raise RuntimeError
    assert type(model.get_layer("norm")) is layers.BatchNormalization


def test_weights_that_are_saved_inside_fit_the_plain_network(tmp_path):
    model, other = network(), network()
    after_steps(model, fused=True)
    with fused_normalization(model):
        model.save_weights(tmp_path / "all.weights.h5")
    other.load_weights(tmp_path / "all.weights.h5")
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_network_without_normalisation_passes():
    image = keras.Input((4,))
    model = keras.Model(image, layers.Dense(1)(image))
    with fused_normalization(model):
        assert model.predict(np.zeros((2, 4)), verbose=0).shape == (2, 1)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_precisions_that_the_operation_lacks_stay_plain(dtype):
    model = keras.Sequential([keras.Input((4, 4, 2)), layers.BatchNormalization(dtype=dtype)])
    with fused_normalization(model):
        assert type(model.layers[0]) is layers.BatchNormalization


def test_bfloat16_is_fused():
    model = keras.Sequential([keras.Input((4, 4, 2)), layers.BatchNormalization(dtype="mixed_bfloat16")])
    images = np.random.default_rng(0).normal(3, 2, (8, 4, 4, 2)).astype("float32")
    with fused_normalization(model):
        normed = np.asarray(keras.ops.cast(model(images, training=True), "float32"))
    assert type(model.layers[0]) is layers.BatchNormalization
    np.testing.assert_allclose(normed.mean(axis=(0, 1, 2)), 0, atol=0.02)
    np.testing.assert_allclose(normed.std(axis=(0, 1, 2)), 1, atol=0.02)
