"""`facecli export` from the command line to the files, with a model of random weights."""

import json
import sys

import cv2
import numpy as np
import pytest

from facecli.cli import app
from facecli.cli.export import exported_heads
from facecli.core.attributes import CLASS_NAMES
from facecli.models.checkpoint import file_sha256, load_checkpoint, write_config

keras = pytest.importorskip("keras")
from facecli.models.litert import Predictor  # noqa: E402
from facecli.models.networks import (  # noqa: E402
    Residual,
    Stage,
    attach_heads,  # noqa: E402
    build_residual,
)

TINY = Residual((4,), (Stage(4, 1), Stage(6, 1)), (16, 16))


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """40 smooth random chips with UTKFace names."""
    folder = tmp_path_factory.mktemp("data") / "UTKFace"
    folder.mkdir()
    for row in range(40):
        coarse = np.random.default_rng(row).integers(0, 256, (6, 6, 3), np.uint8)
        name = f"{row + 1}_{row % 2}_{row % 5}_2017{row:010d}.jpg.chip.jpg"
        cv2.imwrite(str(folder / name), cv2.resize(coarse, (24, 24), interpolation=cv2.INTER_CUBIC))
    return folder


@pytest.fixture
def model(tmp_path, monkeypatch, tiny_checkpoint):
    """Folder of a model `mine` with a `model.keras`; the working folder is the empty `here`."""
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder = tmp_path / "home" / "saved_model" / "mine"
    folder.mkdir(parents=True)
    keras.utils.set_random_seed(3)
    attach_heads(build_residual(TINY), ("age", "gender", "race")).save(folder / "model.keras")
    config = {**tiny_checkpoint.config, "name": "mine", "image_size": [16, 16]}
    write_config(folder, config, ("model.keras",))
    return folder


def export(*arguments):
    return app.main(["export", *map(str, arguments)])


def assert_one_line(capsys, *words):
    """stdout stays empty; the last line of stderr is the error and the only one."""
    printed = capsys.readouterr()
    assert printed.out == ""
    errors = [line for line in printed.err.splitlines() if line.startswith("Error: ")]
    assert errors == printed.err.splitlines()[-1:]
    for word in words:
        assert word in errors[0]


def test_default_is_a_file_here_and_a_sidecar(model, capfd):
    assert export("--model-path", "mine") == 0
    digest, name = capfd.readouterr().out.split()
    assert name == "mine-float16.tflite"
    here = model.parents[2] / "here"
    assert file_sha256(here / name) == digest
    sidecar = json.loads((here / f"{name}.json").read_text())
    assert sidecar["sha256"] == {name: digest}
    assert sidecar["exports"][name] == {"format": "tflite", "dtype": "float16"}
    assert sidecar["labels"]["gender"] == ["male", "female"]
    assert sorted(file.name for file in here.iterdir()) == [name, f"{name}.json"]
    assert sorted(file.name for file in model.iterdir()) == ["config.json", "model.keras"]


def test_int8_in_the_models_own_folder_is_what_run_loads(model, faces, capfd):
    """Digest into config.json; ranges from training faces; input uint8, output probabilities."""
    output = model / "model.tflite"
    arguments = "--model-path", "mine", "--dtype", "int8", "--data-path", faces, "--output", output
    assert export(*arguments, "--range-faces", 8) == 0
    assert capfd.readouterr().out == f"{file_sha256(output)}  {output}\n"
    checkpoint = load_checkpoint(model)
    assert checkpoint.config["exports"] == {"model.tflite": {"format": "tflite", "dtype": "int8"}}
    predicted = Predictor(checkpoint).predict_raw(np.zeros((2, 16, 16, 3), np.uint8))
    np.testing.assert_allclose(predicted["age"].sum(axis=1), 1, atol=1e-3)
    assert sorted(file.name for file in model.iterdir()) == ["config.json", "model.keras", "model.tflite"]


@pytest.mark.parametrize(
    ("file_format", "outputs"),
    [
        ("tflite", ("age", "race_7")),
        ("onnx", ("age", "race", "race_7")),
        ("saved_model", ("age", "race", "race_7")),
    ],
)
def test_litert_files_leave_out_what_is_folded(file_format, outputs):
    assert exported_heads(["age", "race", "race_7"], file_format) == outputs
    assert exported_heads(["age", "race"], file_format) == ("age", "race")


def test_a_model_of_seven_races_is_exported_and_runs(model):
    attach_heads(build_residual(TINY), ("race", "race_7")).save(model / "model.keras")
    labels = {head: list(CLASS_NAMES[head]) for head in ("race", "race_7")}
    config = {**load_checkpoint(model).config, "heads": ["race", "race_7"], "labels": labels}
    write_config(model, config, ("model.keras",))
    assert export("--model-path", "mine", "--output", model / "model.tflite") == 0
    found = Predictor(load_checkpoint(model)).predict(np.zeros((2, 16, 16, 3), np.uint8))
    exact = keras.saving.load_model(model / "model.keras").predict(
        np.zeros((2, 16, 16, 3), np.uint8), verbose=0
    )
    np.testing.assert_allclose(found["race"], exact["race"], atol=2e-3)


def test_saved_model(model, capsys):
    assert export("--model-path", "mine", "--format", "saved_model", "--output", "folder") == 0
    here = model.parents[2] / "here"
    assert (here / "folder" / "saved_model.pb").is_file()
    digest = capsys.readouterr().out.split()[0]
    assert json.loads((here / "folder.json").read_text())["sha256"] == {"folder": digest}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--format", "saved_model", "--dtype", "int8"], 2, ["saved_model", "int8", "tflite"]),
        (["--format", "onnx", "--dtype", "int8"], 2, ["onnx", "float16 or float32"]),
        (["--output", "model.keras"], 2, ["model.keras", ".tflite"]),
        (["--output", "."], 2, [".tflite"]),
        (["--dtype", "int8", "--data-path", "nowhere"], 2, ["nowhere"]),
        (["--model-path", "nobody"], 1, ["nobody"]),
    ],
)
def test_what_cannot_be_is_one_line_and_a_code(model, capsys, arguments, code, words):
    assert (
        export(*(arguments if "--model-path" in arguments else ["--model-path", "mine", *arguments])) == code
    )
    assert_one_line(capsys, *words)
    assert list((model.parents[2] / "here").iterdir()) == []


@pytest.mark.parametrize("arguments", [["--format", "coreml"], ["--dtype", "int4"], ["--range-faces", "0"]])
def test_unknown_words_are_refused(model, arguments):
    assert export(*arguments) == 2


def test_a_place_that_cannot_be_written(model, capsys):
    (model.parents[2] / "here" / "file").write_text("")
    assert export("--model-path", "mine", "--output", "file/m.tflite") == 1
    assert_one_line(capsys, "file/m.tflite", "not a folder")


def test_a_folder_of_other_things_is_kept(model, capsys):
    thesis = model.parents[2] / "here" / "thesis.txt"
    thesis.write_text("")
    assert export("--model-path", "mine", "--format", "saved_model", "--output", ".") == 2
    assert_one_line(capsys, "no SavedModel")
    assert thesis.is_file()


def test_no_faces_for_int8(model, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert export("--model-path", "mine", "--dtype", "int8", "--data-path", tmp_path / "empty") == 2
    assert_one_line(capsys, "empty")


def test_onnx_without_its_packages(model, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert export("--model-path", "mine", "--format", "onnx") == 1
    assert_one_line(capsys, "[export]'")


def test_a_model_without_its_network(tiny_checkpoint, tmp_path, capsys):
    """Only model.tflite is there."""
    output = tmp_path / "m.tflite"
    assert export("--model-path", tiny_checkpoint.folder, "--output", output) == 1
    assert_one_line(capsys, "model.keras")
    assert not output.exists()
