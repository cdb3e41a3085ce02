import numpy as np
import pytest

from facecli.models.networks import build_model, in_precision


@pytest.mark.parametrize("backbone", ["normal", "compact"])
def test_there_and_back_only_rounds_the_weights(backbone):
    network = build_model(backbone, ("gender",), (32, 32))
    half = in_precision(network, "float16")
    assert {weights.dtype for weights in half.weights} == {"float16"}
    again = in_precision(half, "float32")
    assert [layer.name for layer in again.layers] == [layer.name for layer in network.layers]
    crops = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    exact, rounded = (one.predict(crops, verbose=0)["gender"] for one in (network, again))
    assert rounded.dtype == np.float32
    np.testing.assert_allclose(rounded, exact, atol=2e-3)
