"""The float path: the same numbers, and a map that everything flows through."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
from facecli.explain.network import float_path  # noqa: E402
from facecli.models.networks import (  # noqa: E402  # noqa: E402
    MOBILE_SPECS,
    Residual,
    Stage,
    attach_heads,  # noqa: E402
    build_mobile,
    build_residual,
)

TINY = Residual((4,), (Stage(4, 1), Stage(6, 1)), (16, 16))


def crops(size):
    return np.random.default_rng(1).integers(0, 256, (3, size, size, 3), np.uint8)


def with_sequential():
    image = keras.Input((16, 16, 3), dtype="uint8")
    inner = keras.Sequential(
        [keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(3, 3), keras.layers.ReLU()]
    )
    x = keras.layers.GlobalAveragePooling2D()(inner(image))
    return keras.Model(image, {"gender": keras.layers.Dense(2, "softmax")(x)})


@pytest.mark.parametrize(
    ("build", "size"),
    [
        (lambda: attach_heads(build_residual(TINY), ("age", "gender")), 16),
        (lambda: attach_heads(build_mobile(MOBILE_SPECS["mobile-se"], (32, 32)), ("age",)), 32),
        (with_sequential, 16),
    ],
)
def test_it_gives_the_networks_own_numbers(build, size):
    network = build()
    path = float_path(network)
    own, laid = network(crops(size)), path.model(crops(size).astype(np.float32))
    assert own.keys() == laid.keys()
    for head in own:
        np.testing.assert_allclose(laid[head], own[head], rtol=1e-5, atol=1e-7)


def test_a_float_is_not_rounded():
    path = float_path(attach_heads(build_residual(TINY), ("age",)))
    picture = np.full((1, 16, 16, 3), 100.0, np.float32)
    assert not np.array_equal(path.model(picture)["age"], path.model(picture + 0.4)["age"])


def test_weights_are_shared():
    network = attach_heads(build_residual(TINY), ("age",))
    path = float_path(network)
    network.set_weights([one * 0 for one in network.get_weights()])
    np.testing.assert_allclose(path.model(crops(16).astype(np.float32))["age"], 1 / 117, rtol=1e-5)


def test_a_map_that_is_gone_around_is_not_taken():
    """Both stages are pooled: the second one's map is not all that the heads see."""
    spatial = float_path(attach_heads(build_residual(TINY), ("age",))).spatial
    assert spatial.shape[1:] == (8, 8, 4)


def test_two_towers_have_no_common_map():
    image = keras.Input((16, 16, 3), dtype="uint8")
    towers = [
        keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(keras.layers.Rescaling(scale)(image)))
        for scale in (1.0, 0.5)
    ]
    x = keras.layers.Concatenate()(towers)
    network = keras.Model(image, {"gender": keras.layers.Dense(2, "softmax")(x)})
    assert float_path(network).spatial is None
