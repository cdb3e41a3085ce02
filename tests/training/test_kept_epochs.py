"""Epochs that a training keeps: on the disk, in every command, gone when they are removed."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from facecli.cli.app import main
from facecli.core.errors import InputError
from facecli.core.recipes import FitOptions, TrainRequest
from facecli.models.checkpoint import load_checkpoint
from facecli.models.registry import best_epoch, describe, find_epoch, kept_epochs, verify
from facecli.training.epochs import EpochKeeper, kept_weights, validation_score
from facecli.training.prepare import prepare_data
from facecli.training.save import load_network
from facecli.training.train import train

FAST = FitOptions(epochs=4, batch_size=32, learning_rate=5e-3)
REQUEST = TrainRequest("normal", heads=("age", "gender"), name="mine")


@pytest.fixture
def data(faces_folder, home):
    return prepare_data(faces_folder, seed=1)


@pytest.fixture
def quick(data, monkeypatch):
    """The data; models have no LiteRT file, which takes longer to make than all the rest."""
    monkeypatch.setattr("facecli.training.save._can_export", lambda: False)
    return data


@pytest.fixture
def said(capfd):
    """Runs facecli: (exit code, stdout, stderr)."""

    def said(*arguments):
        code = main([str(argument) for argument in arguments])
        output = capfd.readouterr()
        return code, output.out, output.err

    return said


class Way:
    """A model of five epochs, all kept, and the commands that are tried on it."""

    def __init__(self, faces, home, said):
        self.faces, self.said, self.folder = faces, said, home / "saved_model" / "mine"
        trained = (
            "train",
            "--model-type",
            "normal",
            "--name",
            "mine",
            "--heads",
            "age,gender",
            "--epochs",
            5,
        )
        options = ("--learning-rate", 5e-3, "--batch-size", 32, "--keep-epochs", "all")
        self.done(*trained, *options, "--data-path", faces)
        self.best = best_epoch(self.folder)
        self.other = 3 if self.best != 3 else 2

    def done(self, *arguments):
        code, out, err = self.said(*arguments)
        assert code == 0, err
        return out

    def faces_in(self, *epoch):
        picture = next(iter(sorted(self.faces.iterdir())))
        run = ("run", "--img", picture, "--detector", "none", "--json", "-", "--model-path", "mine")
        return json.loads(self.done(*run, *epoch))["faces"]


def test_the_whole_way_of_an_epoch(faces_folder, home, said, tmp_path):
    way = Way(faces_folder, home, said)
    best, other, model = way.best, way.other, way.folder
    assert [one.number for one in kept_epochs(model)] == [number for number in range(1, 6) if number != best]
    assert not list(model.glob("epochs/kept-*"))
    for number in (other, best):
        told = load_checkpoint(find_epoch(model, number)).config
        assert told["epoch"] == number and set(told["sha256"]) == {"model.keras", "model.tflite"}
        assert "calibration" in told
    out = way.done("evaluate", "--model-path", "mine", "--epoch", other, "--data-path", faces_folder)
    assert f"mine-epoch-{other:03d}" in out
    assert (home / "statistics" / "model_metrics" / f"mine-epoch-{other:03d}" / "metrics.json").is_file()
    assert way.faces_in() == way.faces_in("--epoch", best) != way.faces_in("--epoch", other)
    target = tmp_path / "epoch.tflite"
    way.done("export", "--model-path", "mine", "--epoch", other, "--output", target)
    assert json.loads((tmp_path / "epoch.tflite.json").read_text())["epoch"] == other
    _look_and_remove(way)


def _look_and_remove(way):
    out = way.done("models", "show", "mine")
    assert f"{way.best}, the best" in out and "other epochs" in out and "(4, " in out
    assert way.done("models", "verify", "mine").count("model.tflite") == 5
    assert "4 epochs" in way.done("models", "rm", "mine", "--epochs", "--yes")
    assert kept_epochs(way.folder) == [] and describe(way.folder).problem is None
    code, _, err = way.said("run", "--img", way.faces, "--model-path", "mine", "--epoch", way.other)
    assert code == 2 and len(err.splitlines()) == 1
    told = f"has no epoch {way.other}; it is the best one of its training alone, epoch {way.best}"
    assert told in err
    code, _, err = way.said("models", "rm", "mine", "--epochs")
    assert code == 0 and "nothing to remove" in err


def test_epochs_are_compared_in_a_table_and_a_plot(quick, home, said, faces_folder):
    train(quick, REQUEST, replace(FAST, keep_epochs="all"))
    measured = (
        "evaluate",
        "--model-path",
        "mine",
        "--data-path",
        faces_folder,
        "--split",
        "val",
        "--runtime",
        "keras",
    )
    code, out, err = said(*measured, "--epochs", "all", "--json", home / "all.json")
    assert code == 0, err
    assert "(best)" in out and "age error" in out and "gender" in out
    folder = home / "statistics" / "model_metrics" / "mine" / "val" / "epochs"
    assert (folder / "epochs.png").stat().st_size > 5000
    with (folder / "epochs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {int(row["epoch"]) for row in rows} == {1, 2, 3, 4}
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows)
    (compared,) = json.loads((home / "all.json").read_text())["sets"].values()
    assert [row["epoch"] for row in compared] == [1, 2, 3, 4] and sum(row["best"] for row in compared) == 1
    best = best_epoch(home / "saved_model" / "mine")
    code, out, err = said(*measured, "--epochs", "9")
    assert code == 2 and "has no epoch 9" in err and f"{best} (the best)" in err
    assert said(*measured, "--epochs", "x")[0] == 2
    assert said(*measured, "--epochs", "1", "--epoch", "1")[0] == 2


def test_an_epoch_is_what_the_network_was_then(quick, home):
    seen = {}

    class Keeper(EpochKeeper):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            seen[epoch + 1] = self.model.network.get_weights()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facecli.training.engine.EpochKeeper", Keeper)
        checkpoint = train(quick, REQUEST, replace(FAST, keep_epochs="all"))
    for number, weights in seen.items():
        kept = load_network(load_checkpoint(find_epoch(checkpoint.folder, number)))
        for ours, theirs in zip(kept.get_weights(), weights, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-3, rtol=2e-3)


def test_the_best_few_stay_and_a_new_run_forgets_them(quick, home):
    checkpoint = train(quick, REQUEST, replace(FAST, keep_epochs="2"))
    history = _history(checkpoint.folder)
    first, second = sorted(range(1, 5), key=lambda number: validation_score(history[number - 1]))[:2]
    assert best_epoch(checkpoint.folder) == first
    assert [one.number for one in kept_epochs(checkpoint.folder)] == [second]
    assert sum(one.size_bytes for one in kept_epochs(checkpoint.folder)) > 1000
    train(quick, REQUEST, FAST)
    assert kept_epochs(checkpoint.folder) == []


def test_a_finished_run_that_is_resumed_keeps_its_epochs(quick, home):
    options = replace(FAST, keep_epochs="all")
    checkpoint = train(quick, REQUEST, options)
    kept = kept_epochs(checkpoint.folder)
    train(quick, REQUEST, replace(options, resume=True))
    assert [one.number for one in kept_epochs(checkpoint.folder)] == [one.number for one in kept]


def test_a_killed_run_has_the_weights_and_goes_on_with_them(quick, home):
    class Killed(EpochKeeper):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            if epoch == 1:
                raise KeyboardInterrupt

    options = replace(FAST, keep_epochs="all")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facecli.training.engine.EpochKeeper", Killed)
        with pytest.raises(KeyboardInterrupt):
            train(quick, REQUEST, options)
    folder = home / "saved_model" / "mine"
    assert list(kept_weights(folder / "epochs")) == [1, 2] and not (folder / "config.json").exists()
    train(quick, REQUEST, replace(options, resume=True))
    numbers = {one.number for one in kept_epochs(folder)} | {best_epoch(folder)}
    assert numbers == {1, 2, 3, 4}


def test_a_changed_file_of_an_epoch_is_refused(quick, home, said):
    checkpoint = train(quick, REQUEST, replace(FAST, epochs=2, keep_epochs="all"))
    (kept,) = kept_epochs(checkpoint.folder)
    path = kept.folder / "model.keras"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert [check.path.name for check in verify(describe(kept.folder)) if check.problem] == ["model.keras"]
    code, out, _ = said("models", "verify", "mine")
    assert code == 1 and f"WRONG {path}" in out


def test_epochs_of_two_stages_are_not_kept(quick, home):
    asked = TrainRequest("facenet", backbone="inception-resnet-v1", unfreeze=1)
    with pytest.raises(InputError, match="one stage"):
        train(quick, asked, replace(FAST, keep_epochs="all"))


@pytest.mark.parametrize("keep", ["0", "-1", "some", "1.5", "", "²"])
def test_what_cannot_be_kept_is_refused(said, home, keep):
    code, _, err = said("train", "--keep-epochs", keep, "--dry-run")
    assert code == 2 and "best, all, or the number" in err


def test_a_detector_keeps_its_best_epoch_alone(said, home, tmp_path):
    code, _, err = said("train", "--model-type", "detector", "--keep-epochs", "all", "--data-path", tmp_path)
    assert code == 2 and "--keep-epochs" in err


def test_compared_models_have_no_epoch(said, home, faces_folder):
    picture = next(iter(sorted(faces_folder.iterdir())))
    code, _, err = said("run", "--img", picture, "--compare", "facenet,normal", "--epoch", 3)
    assert code == 2 and "cannot be combined with --epoch" in err


def _history(folder):
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
