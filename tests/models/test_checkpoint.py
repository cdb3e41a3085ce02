import json

import pytest

from facecli.core.errors import CheckpointError
from facecli.models.checkpoint import load_checkpoint, write_config

CONFIG = {
    "name": "tiny",
    "model_type": "normal",
    "heads": ["age"],
    "labels": {"age": ["0"]},
    "image_size": [8, 8],
    "detectors": {"none": {"margin": 0.0, "shift_y": 0.0}},
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"weights")
    write_config(tmp_path, CONFIG, ("model.tflite",))
    return tmp_path


def change(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def test_a_config_that_goes_on_and_on_is_not_read_to_its_end(folder):
    change(folder, command="x" * (1 << 20))
    with pytest.raises(CheckpointError, match=r"config\.json is longer than 1,048,576 characters"):
        load_checkpoint(folder)


def test_what_is_written_is_read(folder):
    checkpoint = load_checkpoint(folder)
    assert checkpoint.name == "tiny"
    assert checkpoint.heads == ("age",)
    assert checkpoint.image_size == (8, 8)
    assert checkpoint.crop_of("none") == (0.0, 0.0)
    assert checkpoint.verified("model.tflite").read_bytes() == b"weights"


def test_a_changed_file_is_refused_by_name(folder):
    (folder / "model.tflite").write_bytes(b"other")
    with pytest.raises(CheckpointError, match=r"model\.tflite is not the file"):
        load_checkpoint(folder).verified("model.tflite")


def test_a_missing_or_unlisted_file_is_refused(folder):
    (folder / "model.tflite").unlink()
    with pytest.raises(CheckpointError, match=r"model\.tflite is missing"):
        load_checkpoint(folder).verified("model.tflite")
    (folder / "model.keras").write_bytes(b"not in config.json")
    with pytest.raises(CheckpointError, match=r"model\.keras is missing"):
        load_checkpoint(folder).verified("model.keras")


def test_no_folder_and_no_json(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="is not JSON"):
        load_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match="is not JSON"):
        load_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(CheckpointError, match="not a facecli model"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 99}, "update facecli"),
        ({"heads": ["shoe_size"]}, "shoe_size"),
        ({"heads": []}, "heads"),
        ({"image_size": [8]}, "image_size"),
        ({"image_size": ["8", 8]}, "image_size"),
        ({"image_size": [True, 8]}, "image_size"),
        ({"format": True}, "format is true"),
        ({"heads": "age"}, 'heads is "age", not a list of names'),
        ({"heads": ["age", 3]}, "heads.1 is 3, not text"),
        ({"sha256": {"model.tflite": None}}, "sha256.model.tflite is null, not text"),
        ({"detectors": {"none": {"margin": 0}}}, "detectors.none.shift_y is missing"),
        ({"detectors": {"none": {"margin": 10**400, "shift_y": 0}}}, "detectors.none.margin is 1000"),
        ({"name": "\ud800"}, "name is"),
    ],
)
def test_other_recipes_are_refused(folder, values, message):
    change(folder, **values)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_a_detector_that_the_model_does_not_know(folder):
    with pytest.raises(CheckpointError, match="no crop for 'radar'"):
        load_checkpoint(folder).crop_of("radar")
