import numpy as np
import pytest

from facecli.models.networks import BACKBONES, MOBILE_SPECS, Row, build_mobile


def tiny(name):
    rows = (Row(4, 1, 1, 1), Row(8, 2, 2, 2))
    return MOBILE_SPECS[name]._replace(stem=4, rows=rows, last=8, image_size=(16, 16))


@pytest.mark.parametrize("name", MOBILE_SPECS)
def test_features_of_none_one_and_many(name):
    network = build_mobile(tiny(name))
    assert network.input.dtype == "uint8" and name in BACKBONES
    crops = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    features = network.predict(crops, verbose=0)
    assert features.shape == (3, 16)
    np.testing.assert_allclose(network.predict(crops[:1], verbose=0), features[:1], atol=1e-5)


@pytest.mark.parametrize("name", MOBILE_SPECS)
def test_only_blocks_of_equal_shape_add_their_input(name):
    names = {layer.name for layer in build_mobile(tiny(name)).layers}
    assert {"stage0_block0_add", "stage1_block1_add"} <= names
    assert "stage1_block0_add" not in names


def test_squeeze_excite_and_prelu_belong_to_one_kind_each():
    squeezed, face = (
        {layer.__class__.__name__ for layer in build_mobile(tiny(name)).layers}
        for name in ("mobile-se", "mobileface")
    )
    assert "Multiply" in squeezed and "PReLU" not in squeezed
    assert "PReLU" in face and "Multiply" not in face
