"""Exported networks against Keras, and what becomes of the files when something goes wrong."""

import hashlib
import sys

import keras
import numpy as np
import pytest

from facecli.core.errors import FacecliError, InputError, OutputError
from facecli.models import export
from facecli.models.export import export_digest, export_model, export_tflite, heads_only
from facecli.models.networks import Residual, Stage, attach_heads, build_residual

Interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
TINY = Residual((4,), (Stage(4, 1), Stage(6, 1)), (16, 16))
HEADS = ("age", "gender")
COUNTS = (1, 5)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    return attach_heads(build_residual(TINY), HEADS)


def random_crops(count):
    return np.random.default_rng(count).integers(0, 256, (count, 16, 16, 3), np.uint8)


def assert_like_keras(predict, network, tolerance):
    """Any number of faces gives what Keras gives."""
    for count in COUNTS:
        crops = random_crops(count)
        exact, found = network.predict(crops, verbose=0), predict(crops)
        assert sorted(found) == sorted(HEADS)
        for head, values in found.items():
            assert values.dtype == np.float32
            np.testing.assert_allclose(values, exact[head], atol=tolerance)
            np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-3)


def litert(path):
    runner = Interpreter(str(path)).get_signature_runner("serve")
    return lambda crops: runner(image=crops)


def onnx(path):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda crops: dict(zip(names, session.run(names, {"image": crops}), strict=True))


def saved_model(path):
    tf = pytest.importorskip("tensorflow")
    loaded = tf.saved_model.load(str(path))
    return lambda crops: {head: values.numpy() for head, values in loaded.serve(crops).items()}


def test_litert_has_one_signature(network, tmp_path):
    path = export_tflite(network, tmp_path / "model.tflite")
    signatures = Interpreter(str(path)).get_signature_list()
    assert signatures == {"serve": {"inputs": ["image"], "outputs": ["age", "gender"]}}
    assert_like_keras(litert(path), network, 1e-4)
    assert [file.name for file in tmp_path.iterdir()] == ["model.tflite"]


def test_half_the_weights_keep_the_answers(network, tmp_path):
    path = export_tflite(network, tmp_path / "model.tflite", half=True)
    assert_like_keras(litert(path), network, 5e-3)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float16", 5e-3)])
def test_onnx_gives_what_keras_gives(network, tmp_path, dtype, tolerance):
    pytest.importorskip("tf2onnx")
    path = tmp_path / "model.onnx"
    assert export_model(network, path, "onnx", dtype) == export_digest(path)
    assert_like_keras(onnx(path), network, tolerance)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_onnx_stores_large_weights_in_half_the_size(network, tmp_path):
    package = pytest.importorskip("onnx")
    pytest.importorskip("tf2onnx")
    export_model(network, tmp_path / "half.onnx", "onnx", "float16")
    kinds = {
        tensor.data_type
        for tensor in package.load(tmp_path / "half.onnx").graph.initializer
        if tensor.data_type == package.TensorProto.FLOAT16 or np.prod(tensor.dims) >= 256
    }
    assert kinds == {package.TensorProto.FLOAT16}


def test_saved_model_gives_what_keras_gives_and_replaces_the_old_one(network, tmp_path):
    path = tmp_path / "here" / "model"
    export_model(network, path, "saved_model")
    (path / "left_over").write_text("of the old one")
    assert export_model(network, path, "saved_model") == export_digest(path)
    assert not (path / "left_over").exists()
    assert_like_keras(saved_model(path), network, 1e-4)
    assert [file.name for file in path.parent.iterdir()] == ["model"]


def test_int8_computes_in_integers_between_uint8_and_probabilities(network, tmp_path):
    path = tmp_path / "model.tflite"
    export_model(network, path, "tflite", "int8", random_crops(20))
    interpreter = Interpreter(str(path))
    runner = interpreter.get_signature_runner("serve")
    assert runner.get_input_details()["image"]["dtype"] == np.uint8
    assert {details["dtype"] for details in runner.get_output_details().values()} == {np.float32}
    kinds = [details["dtype"] for details in interpreter.get_tensor_details()]
    assert kinds.count(np.int8) > kinds.count(np.float32)
    assert_like_keras(litert(path), network, 0.1)


@pytest.mark.parametrize("crops", [None, random_crops(5)[:0]])
def test_int8_needs_faces(network, tmp_path, crops):
    with pytest.raises(InputError, match="needs pictures"):
        export_model(network, tmp_path / "model.tflite", "tflite", "int8", crops)
    assert list(tmp_path.iterdir()) == []


def test_only_the_wanted_heads(network):
    assert list(heads_only(network, ["age"]).output) == ["age"]


def test_a_failed_conversion_keeps_the_old_file(network, tmp_path, monkeypatch):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")

    def fail(*arguments):
        raise RuntimeError("no such operation\nand a long trace")

    monkeypatch.setattr(export, "_convert_to_litert", fail)
    with pytest.raises(FacecliError, match="cannot be converted.*: no such operation$"):
        export_model(network, path, "tflite", "float32")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_failed_saved_model_keeps_the_old_folder(network, tmp_path, monkeypatch, error):
    path = tmp_path / "model"
    path.mkdir()
    (path / "saved_model.pb").write_bytes(b"old")

    def half_way(network, folder):
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(b"new")
        raise error

    monkeypatch.setattr(export, "write_saved_model", half_way)
    with pytest.raises(error):
        export_model(network, path, "saved_model")
    assert (path / "saved_model.pb").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["model.tflite", "model.onnx", "model"])
def test_a_place_that_is_no_folder(network, tmp_path, name):
    (tmp_path / "file").write_text("")
    file_format = {"model.tflite": "tflite", "model.onnx": "onnx"}.get(name, "saved_model")
    with pytest.raises(OutputError, match="cannot write"):
        export_model(network, tmp_path / "file" / name, file_format)


def test_onnx_without_its_packages(network, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(FacecliError, match=r"pip install .*\[export\]'"):
        export_model(network, tmp_path / "model.onnx", "onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_onnx_conversion(network, tmp_path, monkeypatch):
    converter = pytest.importorskip("tf2onnx.convert")

    def fail(*arguments, **options):
        raise ValueError("no such operation\nand a long trace")

    monkeypatch.setattr(converter, "from_function", fail)
    with pytest.raises(FacecliError, match="cannot be converted.*: no such operation$"):
        export_model(network, tmp_path / "model.onnx", "onnx")
    assert list(tmp_path.iterdir()) == []


def test_digest_of_a_folder_is_that_of_the_sums_of_its_files(tmp_path):
    assert export_digest(tmp_path) == hashlib.sha256(b"").hexdigest()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"1")
    (tmp_path / "a").write_bytes(b"2")
    lines = [
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in (("a", b"2"), ("b/c", b"1"))
    ]
    assert export_digest(tmp_path) == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_another_backend_of_keras_is_named(network, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(FacecliError, match="KERAS_BACKEND"):
        export_model(network, tmp_path / "model.tflite", "tflite", "float16")
    assert not list(tmp_path.iterdir())
