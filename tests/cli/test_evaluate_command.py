"""`facecli evaluate` from the command line to the files, with a model of random weights."""

import csv
import json
import shutil

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from facecli.cli.evaluate import evaluate
from facecli.core.errors import CheckpointError, DataError, FacecliError
from facecli.models.checkpoint import load_checkpoint, write_config


def write_faces(folder, count, first=0):
    """`count` smooth random chips of every gender and race, unlike each other, from number `first` on."""
    folder.mkdir(parents=True)
    for row in range(first, first + count):
        coarse = np.random.default_rng(row).integers(0, 256, (6, 6, 3), np.uint8)
        name = f"{row * 7 % 90}_{row % 2}_{row % 5}_2017{row:010d}.jpg.chip.jpg"
        cv2.imwrite(str(folder / name), cv2.resize(coarse, (24, 24), interpolation=cv2.INTER_CUBIC))
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return write_faces(tmp_path_factory.mktemp("data") / "UTKFace", 120)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def model(home, tiny_checkpoint):
    """Name of a copy of the tiny model among the user's own."""
    shutil.copytree(tiny_checkpoint.folder, home / "saved_model" / "mine")
    return "mine"


def run(*arguments):
    return CliRunner().invoke(evaluate, [str(argument) for argument in arguments])


def measure(model, faces, *more):
    """The content of `metrics.json` as printed, and the result."""
    result = run("--model-path", model, "--data-path", faces, "--json", *more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), result


def test_it_prints_a_table_and_writes_the_report(model, faces, home):
    result = run("--model-path", model, "--data-path", faces)
    assert result.exit_code == 0, result.output
    for word in ("age", "mean absolute error", "within 5 years", "gender", "race", "95 % interval"):
        assert word in result.stdout
    folder = home / "statistics" / "model_metrics" / "tiny" / "UTKFace"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["split"] == "test"
    assert metrics["runtime"] == "litert"
    assert 5 <= metrics["count"] <= 20
    with (folder / "race_confusion.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row[name]) for row in rows for name in row if name != "true") == metrics["count"]


def test_splits_share_out_all_faces(model, faces, tmp_path):
    counts = {
        split: measure(model, faces, "--split", split, "--output", tmp_path / split)[0]["count"]
        for split in ("train", "val", "test", "all")
    }
    assert counts["all"] == counts["train"] + counts["val"] + counts["test"] == 120


def test_one_head(age_checkpoint, faces, home):
    metrics, result = measure(age_checkpoint.folder, faces)
    assert "gender" not in metrics
    assert 0 <= metrics["age"]["coverage_90"] <= 1
    assert "gender_confusion.png" not in result.output


def test_another_split_is_said_and_its_numbers_stay_out_of_the_model(model, faces, home):
    _, result = measure(model, faces)
    assert "was trained with another split" in " ".join(result.stderr.split())
    assert not (home / "saved_model" / "mine" / "metrics.json").exists()


def test_numbers_of_the_own_split_travel_with_the_model(model, faces, home):
    folder = home / "saved_model" / "mine"
    digest = measure(model, faces)[0]["split_digest"]
    config = {**load_checkpoint(folder).config, "split_digest": digest}
    write_config(folder, config, ("model.tflite",))
    metrics, result = measure(model, faces)
    assert "Warning" not in result.stderr
    assert json.loads((folder / "metrics.json").read_text()) == metrics


def test_a_limit_keeps_the_split_and_leaves_the_models_numbers_alone(model, faces, home):
    """A split of a sample would mix the sides: the sample is drawn from the split."""
    folder = home / "saved_model" / "mine"
    whole = measure(model, faces)[0]
    write_config(
        folder, {**load_checkpoint(folder).config, "split_digest": whole["split_digest"]}, ("model.tflite",)
    )
    part, result = measure(model, faces, "--split", "train", "--limit", "10")
    assert part["count"] == 10
    assert part["split_digest"] == whole["split_digest"]
    assert "Warning" not in result.stderr
    measure(model, faces, "--limit", "10")
    assert not (folder / "metrics.json").exists()


def test_the_same_numbers_twice(model, faces, tmp_path):
    assert measure(model, faces)[0] == measure(model, faces, "--batch-size", "3")[0]


def test_no_face_in_the_split(model, tmp_path, home):
    few = write_faces(tmp_path / "few", 2)
    result = run("--model-path", model, "--data-path", few)
    assert isinstance(result.exception, DataError)
    assert "test split" in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_changed_model_file_is_refused(model, faces, home):
    (home / "saved_model" / "mine" / "model.tflite").write_bytes(b"TFL3 nothing")
    result = run("--model-path", model, "--data-path", faces)
    assert isinstance(result.exception, CheckpointError)
    assert "model.tflite" in str(result.exception)


@pytest.mark.parametrize("data", ["nowhere", "empty"])
def test_no_data(model, tmp_path, data):
    (tmp_path / "empty").mkdir()
    result = run("--model-path", model, "--data-path", tmp_path / data)
    assert isinstance(result.exception, FacecliError)
    assert result.exception.exit_code == 2


@pytest.mark.parametrize("arguments", [["--split", "tset"], ["--limit", "0"], ["--runtime", "onnx"]])
def test_wrong_arguments(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_missing_viewer_is_said(model, faces, monkeypatch):
    opened = []
    monkeypatch.setattr("click.launch", lambda url: opened.append(url) or 1)
    result = run("--model-path", model, "--data-path", faces, "--show")
    assert result.exit_code == 0
    assert all(url.endswith(".png") for url in opened)
    assert "no viewer" in result.stderr
    opened.clear()
    run("--model-path", model, "--data-path", faces)
    assert opened == []


def test_other_data_does_not_replace_the_report_of_the_models_own(model, faces, home, tmp_path):
    folder = home / "statistics" / "model_metrics" / load_checkpoint(home / "saved_model" / model).name
    measure(model, faces)
    assert [path.parent for path in folder.rglob("metrics.json")] == [folder / "UTKFace"]


def test_data_that_was_learnt_from_beside_the_first_needs_no_warning(model, faces, home):
    folder = home / "saved_model" / model
    assert "Warning" in measure(model, faces)[1].stderr
    checkpoint = load_checkpoint(folder)
    digest = measure(model, faces)[0]["split_digest"]
    files = tuple(checkpoint.config["sha256"])
    for key in ("sets", "extra_data"):
        write_config(folder, {**checkpoint.config, key: {"faces": digest}}, files)
        assert "Warning" not in measure(model, faces)[1].stderr


@pytest.fixture(scope="module")
def fairface(tmp_path_factory):
    """120 pictures whose ages are bins, of every one of the seven races."""
    folder = write_faces(tmp_path_factory.mktemp("data") / "fairface", 120, first=1000)
    ages, races = ("3-9", "20-29", "more than 70"), ("White", "Black", "East Asian", "Indian")
    rows = [
        f"{path.name},{ages[index % 3]},{('Male', 'Female')[index % 2]},{races[index % 4]}"
        for index, path in enumerate(sorted(folder.iterdir()))
    ]
    (folder / "fairface_label_train.csv").write_text("\n".join(["file,age,gender,race", *rows]))
    return folder


def test_several_sets_are_measured_apart(model, faces, fairface, home):
    arguments = ("--model-path", model, "--data-path", faces, "--data-path", fairface)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    for told in ("tiny on UTKFace", "tiny on fairface", "mean over 2 data sets", "in its bin", "of female"):
        assert told in " ".join(result.stdout.split()), told
    folder = home / "statistics" / "model_metrics" / "tiny"
    names = ("UTKFace", "fairface")
    written = {name: json.loads((folder / name / "metrics.json").read_text()) for name in names}
    printed = json.loads(run(*arguments, "--json").stdout)
    for name in names:
        assert printed["sets"][name].items() <= written[name].items()
    gender = [written[name]["gender"]["accuracy"] for name in written]
    assert printed["mean"]["gender"]["accuracy"] == pytest.approx(np.mean(gender))
    assert printed["mean"]["age_bins"]["sets"] == 1
    assert written["UTKFace"]["age"]["count"] and not written["fairface"]["age"]["count"]
    assert set(written["fairface"]["age_bins"]["by_bin"]) == {"3-9", "20-29", "70+"}


def test_one_of_several_sets_is_measured_as_alone(model, faces, fairface, tmp_path):
    together = run("--model-path", model, "--data-path", faces, "--data-path", fairface, "--json").stdout
    alone, _ = measure(model, fairface)
    assert json.loads(together)["sets"]["fairface"] == alone
