"""Which model a command works with: the same types everywhere, and one line where there is none."""

import shutil

import click
import numpy as np
import pytest

from facecli.cli import app
from facecli.cli.options import check_model_path, model_given, model_type_option
from facecli.core import paths
from facecli.core.errors import InputError
from facecli.core.images import save_image
from facecli.core.paths import DETECTOR, LANDMARKS, MODEL_FOLDERS, MODEL_TYPES, SHIPPED_MODELS
from facecli.core.recipes import BACKBONES, HEADS

COMMANDS = [
    "run", "serve", "summarize", "explain", "benchmark", "train", "evaluate", "calibrate", "export",
]  # fmt: skip


@pytest.fixture
def nothing_shipped(tmp_path, monkeypatch):
    """An empty home, and an installation without models; returns an empty file."""
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(paths, "shipped_places", lambda folder: [])
    (tmp_path / "a.jsonl").touch()
    return str(tmp_path / "a.jsonl")


def test_every_model_type_can_be_trained():
    assert tuple(BACKBONES) == tuple(HEADS) == MODEL_TYPES


def test_the_first_type_is_the_default():
    command = click.command()(model_type_option()(lambda model_type: model_type))
    assert command.main([], standalone_mode=False) == MODEL_TYPES[0] == "facenet"
    assert model_given({"model_path": None, "model_type": "open"}) == MODEL_FOLDERS["open"] == "open_model"
    assert model_given({"model_path": "mine", "model_type": "open"}) == "mine"
    assert set(MODEL_FOLDERS.values()) < set(SHIPPED_MODELS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_offers_all_types(name):
    command = app.cli.get_command(click.Context(app.cli), name)
    (option,) = [one for one in command.params if one.name == "model_type"]
    further = {"train": (DETECTOR, LANDMARKS), "evaluate": (DETECTOR,)}.get(name, ())
    assert tuple(option.type.choices) == (*MODEL_TYPES, *further)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--img", ".", "--detector", "none"],
        ["serve", "--port", "0"],
        ["summarize", "FILE"],
        ["explain", "--img", ".", "--output", "explained"],
        ["benchmark", "--detector", "none"],
        ["evaluate"],
        ["calibrate"],
        ["export"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_model_that_is_not_here_is_one_line(nothing_shipped, capsys, arguments):
    if arguments[0] == "serve":
        pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
    given = [nothing_shipped if argument == "FILE" else argument for argument in arguments]
    assert app.main([*given, "--model-type", "open"]) == 1
    out, said = capsys.readouterr()
    assert out == "" and said.startswith("Error: no model 'open") and said.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_that_it_takes_names(name):
    command = app.cli.get_command(click.Context(app.cli), name)
    told = [one.help for one in command.params if one.name == "model_path"]
    assert told == ([] if name == "train" else ["Name or folder of a model, instead of --model-type."])


def test_a_model_is_found_by_its_name_and_by_its_folder(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    shutil.copytree(tiny_checkpoint.folder, tmp_path / "saved_model" / "mine")
    for given in (None, "", "mine", str(tmp_path / "saved_model" / "mine"), "normal_model"):
        check_model_path({"model_path": given})
    save_image(tmp_path / "a.png", np.zeros((40, 40, 3), np.uint8))
    picture = ["--img", str(tmp_path / "a.png"), "--no-show", "--detector", "none"]
    assert app.main(["run", *picture, "--model-path", "mine"]) == 0
    for given in ("yours", str(tmp_path / "yours"), "~nobody/mine"):
        with pytest.raises(InputError, match=f"no model '{given}'"):
            check_model_path({"model_path": given})
