"""Networks by name: shapes, names, precision, what they take and give."""

import keras
import numpy as np
import pytest

from facecli.core.attributes import HEAD_CLASSES
from facecli.core.errors import InputError
from facecli.models.networks import (
    BACKBONES,
    Residual,
    Stage,
    attach_heads,
    build_backbone,
    build_model,
    build_residual,
    copy_weights,
)

TINY = Residual((4,), (Stage(4, 1), Stage(6, 1)), (16, 16))


def crops(count, size=16):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(InputError, match="normal, compact"):
        build_backbone("resnet-9000")


def test_heads_are_probabilities():
    outputs = attach_heads(build_residual(TINY), tuple(HEAD_CLASSES)).predict(crops(3), verbose=0)
    assert {head: values.shape for head, values in outputs.items()} == {
        head: (3, classes) for head, classes in HEAD_CLASSES.items()
    }
    for values in outputs.values():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-5)


def test_a_race_is_the_sum_of_what_folds_into_it(tmp_path):
    network = attach_heads(build_residual(TINY), ("race", "race_7"))
    network.save(tmp_path / "model.keras")
    for model in (network, keras.saving.load_model(tmp_path / "model.keras")):
        outputs = model.predict(crops(5), verbose=0)
        white, black, latino, east, southeast, indian, middle = outputs["race_7"].T
        folded = np.stack([white, black, east + southeast, indian, latino + middle], axis=1)
        np.testing.assert_allclose(outputs["race"], folded, atol=1e-6)
    assert not [weights for weights in network.trainable_weights if weights.path.startswith("race/")]


def test_one_head_and_a_projection():
    network = attach_heads(build_residual(TINY), ("age",), projections={"embedding": 5})
    assert {name: tuple(output.shape) for name, output in network.output.items()} == {
        "age": (None, 117),
        "embedding": (None, 5),
    }


@pytest.mark.parametrize("name", BACKBONES)
def test_shipped_shapes_take_uint8_and_stay_small(name):
    network = build_model(name, ("gender",))
    assert network.input.dtype == "uint8"
    assert network.count_params() < 4_000_000


def test_weights_fit_another_picture_size():
    small = attach_heads(build_residual(TINY, (16, 16)), ("race",))
    large = copy_weights(small, attach_heads(build_residual(TINY, (24, 24)), ("race",)))
    assert large.input.shape == (None, 24, 24, 3)
    for ours, theirs in zip(large.get_weights(), small.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_heads_stay_float32_in_reduced_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = attach_heads(build_residual(TINY), ("gender",))
    finally:
        keras.config.set_dtype_policy("float32")
    assert network.output["gender"].dtype == "float32"
    assert network.get_layer("backbone").output.dtype == "bfloat16"
