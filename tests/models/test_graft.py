"""A head that is added to a LiteRT file: what it says, and that nothing else changes."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from facecli.core import paths  # noqa: E402
from facecli.core.errors import CheckpointError  # noqa: E402
from facecli.models.export import export_model, export_tflite  # noqa: E402
from facecli.models.graft import LinearHead, graft_heads  # noqa: E402
from facecli.models.networks import (  # noqa: E402
    Residual,
    Stage,
    attach_heads,  # noqa: E402
    build_residual,
)

TINY = Residual((4,), (Stage(4, 1), Stage(6, 1)), (16, 16))
HEADS = ("age", "gender", "race")
CROPS = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(2)
    return attach_heads(build_residual(TINY), HEADS)


@pytest.fixture(scope="module", params=["float32", "float16", "int8"])
def file(request, network, tmp_path_factory):
    path = tmp_path_factory.mktemp("graft") / f"{request.param}.tflite"
    export_model(network, path, "tflite", request.param, CROPS)
    return path


def answers(content):
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_content=content).get_signature_runner("serve")(image=CROPS)


def head(size, classes=3, seed=0):
    random = np.random.default_rng(seed)
    return LinearHead(
        random.normal(size=(size, classes)).astype("f"), random.normal(size=classes).astype("f")
    )


def test_no_heads_leave_all_as_it_was(file):
    before, after = answers(file.read_bytes()), answers(graft_heads(file, {}))
    assert set(before) == set(after) and all(np.array_equal(before[name], after[name]) for name in before)


def test_other_answers_stay_the_same_to_the_last_bit(file, network):
    size = network.get_layer("age_dropout").output.shape[-1]
    heads = {"glasses": head(size), "hat": head(size, 2, 1)}
    before, after = answers(file.read_bytes()), answers(graft_heads(file, heads))
    assert set(after) == {*HEADS, "glasses", "hat"}
    assert all(np.array_equal(before[name], after[name]) for name in before)
    features = keras.Model(network.input, network.get_layer("age_dropout").output).predict(CROPS, verbose=0)
    for name, one in heads.items():
        logits = features @ one.weights + one.bias
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        # int8 features are multiples of a step.
        assert after[name] == pytest.approx(expected, abs=0.05 if file.stem == "int8" else 0.005)


def test_a_head_is_added_to_a_file_that_has_one_already(file, network, tmp_path):
    size = network.get_layer("age_dropout").output.shape[-1]
    again = tmp_path / "again.tflite"
    again.write_bytes(graft_heads(file, {"glasses": head(size)}))
    with pytest.raises(CheckpointError, match="'glasses' already"):
        graft_heads(again, {"glasses": head(size)})
    both = answers(graft_heads(again, {"hat": head(size, 2, 1)}))
    assert np.array_equal(both["glasses"], answers(again.read_bytes())["glasses"]) and both["hat"].shape == (
        5,
        2,
    )


def test_features_of_another_size_are_refused(file):
    with pytest.raises(CheckpointError, match="not 5"):
        graft_heads(file, {"glasses": head(5)})


def test_a_network_of_another_build_is_refused(tmp_path):
    image = keras.Input((16, 16, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 64)(image))
    outputs = {name: keras.layers.Dense(2, "softmax", name=name)(x) for name in ("gender", "face")}
    path = export_tflite(keras.Model(image, outputs), tmp_path / "a.tflite")
    with pytest.raises(CheckpointError, match="do not share features"):
        graft_heads(path, {"glasses": head(768)})


@pytest.mark.parametrize("name", ["facenet_model", "open_model", "normal_model"])
def test_what_ships_takes_heads(name):
    path = paths.find_model(name) / "model.tflite"
    size = 288 if name == "normal_model" else 384
    assert len(graft_heads(path, {"glasses": head(size)})) > path.stat().st_size
