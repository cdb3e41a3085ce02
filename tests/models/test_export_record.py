import json

import pytest

from facecli.core.errors import InputError
from facecli.models.checkpoint import Checkpoint, file_sha256, load_checkpoint
from facecli.models.export import check_place, write_record


@pytest.fixture
def checkpoint(tmp_path, tiny_checkpoint):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(tiny_checkpoint.config))
    return Checkpoint(folder, dict(tiny_checkpoint.config))


def test_elsewhere_a_sidecar_says_all_that_config_json_says(tmp_path, checkpoint):
    record = write_record(tmp_path / "m.onnx", checkpoint, "onnx", "float32", "ab")
    assert record == tmp_path / "m.onnx.json"
    written = json.loads(record.read_text())
    assert written["sha256"] == {"m.onnx": "ab"}
    assert written["exports"] == {"m.onnx": {"format": "onnx", "dtype": "float32"}}
    assert written["labels"] == checkpoint.config["labels"]
    assert "exports" not in load_checkpoint(checkpoint.folder).config


def test_in_the_models_folder_config_json_vouches_for_the_file(checkpoint):
    path = checkpoint.folder / "small.tflite"
    path.write_bytes(b"x")
    check_place(path, checkpoint)
    assert write_record(path, checkpoint, "tflite", "int8", file_sha256(path)).name == "config.json"
    loaded = load_checkpoint(checkpoint.folder)
    assert loaded.verified("small.tflite") == path
    assert loaded.config["sha256"]["model.tflite"] == checkpoint.config["sha256"]["model.tflite"]
    assert not (checkpoint.folder / "small.tflite.json").exists()
    write_record(checkpoint.folder / "b.onnx", loaded, "onnx", "float32", "cd")
    assert set(load_checkpoint(checkpoint.folder).config["exports"]) == {"small.tflite", "b.onnx"}


def test_another_models_folder_is_left_alone(tmp_path, checkpoint):
    other = tmp_path / "other"
    other.mkdir()
    check_place(other / "m.tflite", checkpoint)
    (other / "config.json").write_text("{}")
    with pytest.raises(InputError, match="another model"):
        check_place(other / "m.tflite", checkpoint)
