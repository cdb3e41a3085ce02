"""`facecli calibrate` at the door: which model it may write to, what it prints."""

import json
import shutil

import pytest
from click.testing import CliRunner

from facecli.cli import export as module
from facecli.cli.export import calibrate
from facecli.core.errors import CheckpointError, FacecliError, InputError
from facecli.models.checkpoint import Checkpoint


@pytest.fixture
def home(tmp_path, monkeypatch, tiny_checkpoint):
    """A home whose saved_model holds the tiny model, under the name `mine`."""
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    shutil.copytree(tiny_checkpoint.folder, tmp_path / "home" / "saved_model" / "mine")
    return tmp_path / "home"


def run(*arguments):
    return CliRunner().invoke(calibrate, [str(argument) for argument in arguments])


def test_a_missing_model_is_one_line(home):
    result = run("--model-path", "nobody")
    assert isinstance(result.exception, CheckpointError)
    assert "\n" not in str(result.exception)


def test_a_shipped_model_is_not_changed(home, tmp_path, monkeypatch, tiny_checkpoint):
    shipped = tmp_path / "shipped"
    shutil.copytree(tiny_checkpoint.folder, shipped / "facenet_model")
    monkeypatch.setattr("facecli.core.paths.shipped_places", lambda folder: [shipped])
    before = (shipped / "facenet_model" / "config.json").read_text()
    result = run()
    assert isinstance(result.exception, InputError)
    assert "copy it to" in str(result.exception)
    assert (shipped / "facenet_model" / "config.json").read_text() == before


def test_no_data(home, tmp_path):
    before = (home / "saved_model" / "mine" / "config.json").read_text()
    result = run("--model-path", "mine", "--data-path", tmp_path / "nowhere")
    assert isinstance(result.exception, FacecliError) and result.exception.exit_code == 2
    assert (home / "saved_model" / "mine" / "config.json").read_text() == before


@pytest.mark.parametrize("arguments", [["--model-type", "vgg"], ["--batch-size", "0"], ["--seed", "one"]])
def test_wrong_arguments(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        ({"temperatures": {"gender": 1.25}}, "gender: temperature 1.250"),
        ({"temperatures": {}, "age_interval": {"ages": [5, 30]}}, "thresholds at 2 ages"),
        ({"temperatures": {}}, "nothing was calibrated"),
    ],
)
def test_it_says_what_was_fitted(tmp_path, capsys, calibration, said):
    module._show(Checkpoint(tmp_path, json.loads(json.dumps({"calibration": calibration}))))
    captured = capsys.readouterr()
    assert said in captured.out + captured.err
    assert str(tmp_path / "config.json") in captured.err
