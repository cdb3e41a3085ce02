"""`--model-type detector` of train and evaluate."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from facecli.cli.app import cli
from facecli.core.crops import CHIP_LANDMARKS
from facecli.core.errors import FacecliError
from facecli.data.boxes import LANDMARK_NAMES
from facecli.models.checkpoint import load_detector, load_finder, write_json

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def boxes(tmp_path):
    """A set of 30 pictures with a white square each, and 6 without."""
    folder, random = tmp_path / "squares", np.random.default_rng(0)
    (folder / "pictures").mkdir(parents=True)
    rows, listed = ["file,x_min,y_min,x_max,y_max"], ["file,group"]
    for number in range(36):
        image = random.integers(0, 60, (96, 128, 3)).astype(np.uint8)
        if number < 30:
            side = int(random.integers(24, 60))
            left, top = int(random.integers(0, 128 - side)), int(random.integers(0, 96 - side))
            image[top : top + side, left : left + side] = 230
            rows.append(f"{number}.png,{left},{top},{left + side},{top + side}")
        listed.append(f"{number}.png,{number}")
        cv2.imwrite(str(folder / "pictures" / f"{number}.png"), image)
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
    (folder / "pictures.csv").write_text("\n".join(listed) + "\n")
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*arguments):
    return CliRunner().invoke(cli, [str(one) for one in arguments])


def refusal(found):
    """Exit code and words, as `facecli` itself would say them."""
    error = found.exception
    return (
        (error.exit_code, str(error)) if isinstance(error, FacecliError) else (found.exit_code, found.stderr)
    )


def train(boxes, *more):
    return run(
        "train", "--model-type", "detector", "--data-path", boxes, "--epochs", 1, "--samples", 16,
        "--batch-size", 8, "--image-size", 64, *more,
    )  # fmt: skip


def evaluate(boxes, *more):
    return run("evaluate", "--model-type", "detector", "--data-path", boxes, "--split", "all", *more)


@pytest.mark.train
def test_a_detector_is_trained_measured_and_listed(boxes, home):
    trained = train(boxes)
    assert trained.exit_code == 0, trained.output
    folder = home / "saved_model" / "face_detector"
    assert f"saved {folder}" in trained.output

    measured = evaluate(boxes, "--json")
    assert measured.exit_code == 0, measured.output
    (found,) = json.loads(measured.stdout).values()
    assert found["detector"] == "cnn" and found["pictures"] == 36 and found["faces"] == 30

    listed = run("models", "list")
    (row,) = [
        line for line in listed.stdout.splitlines() if "face_detector" in line and "shipped" not in line
    ]
    assert "finds faces" in row
    write_json(folder / "metrics.json", {"sets": {"squares": {"found": [0.5, 0.4, 0.6], "precision": "?"}}})
    shown = run("models", "show", folder)
    assert "found on squares" in shown.stdout and "50.0% (95 % interval 40.0% to 60.0%)" in shown.stdout
    assert shown.exit_code == 0 and "score threshold" in shown.stdout and "YuNet" in shown.stdout
    assert run("models", "verify", folder).exit_code == 0

    refused = run("run", "--img", boxes, "--model-path", folder, "--json", "-")
    assert "is of a face detector" in refusal(refused)[1]


def test_any_detector_is_measured_by_the_same_table(boxes, home):
    found = evaluate(boxes, "--detector", "none")
    assert found.exit_code == 0, found.output
    for words in ("none on squares, all: 36 pictures", "faces of 16 px and more found", "precision, raw"):
        assert words in found.stdout
    assert (home / "statistics" / "detector" / "none" / "squares" / "all" / "metrics.json").is_file()
    assert (home / "statistics" / "detector" / "none" / "squares" / "all" / "misses.jpg").is_file()


def test_a_dry_run_trains_nothing(boxes, home):
    found = train(boxes, "--dry-run")
    assert found.exit_code == 0 and "would train a detector" in found.stdout
    assert not home.exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--heads", "age"), "--heads: not for --model-type detector"),
        (("--backbone", "compact"), "--backbone: not for --model-type detector"),
        (("--eval",), "--eval: not for --model-type detector"),
        (("--image-size", "100"), "is a multiple of 64"),
        (("--teacher-weights", "gone.onnx"), "no detector weights at gone.onnx"),
        (("--share", "others=0.5"), "no set is called others"),
    ],
)
def test_what_does_not_fit_is_refused(boxes, home, more, words):
    code, said = refusal(train(boxes, *more))
    assert code == 2
    assert words in said


def test_a_set_without_boxes_is_refused(tmp_path, home):
    code, said = refusal(train(tmp_path))
    assert code == 2
    assert "no picture with boxes" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "--model-type", "detector"), "give sets of boxes with --data-path"),
        (("evaluate", "--model-type", "detector"), "give sets of boxes with --data-path"),
        (("evaluate", "--model-type", "detector", "--runtime", "keras"), "--runtime: not for --model-type"),
        (("evaluate", "--detector", "haar"), "--detector: only for --model-type detector"),
        (("train", "--samples", "99"), "--samples: only for --model-type detector"),
    ],
)
def test_no_option_is_passed_over_in_silence(home, arguments, words):
    found = run(*arguments)
    assert found.exit_code == 2 and words in found.stderr


def test_an_option_in_a_file_is_no_other_than_a_typed_one(boxes, home, tmp_path):
    (tmp_path / "a.toml").write_text('heads = "age"\n')
    found = train(boxes, "--config", tmp_path / "a.toml")
    assert found.exit_code == 2 and "--heads: not for --model-type detector" in found.stderr


@pytest.mark.train
def test_the_recipe_runs_from_random_weights_to_the_detector(boxes, home, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    for name in ("face_boxes", "fairface"):
        shutil.copytree(boxes, tmp_path / "data" / name)
    monkeypatch.chdir(tmp_path)
    small = ("--epochs", 1, "--samples", 16, "--batch-size", 8, "--image-size", 64)
    for stage in (1, 2):
        recipe = ROOT / "docs" / "recipes" / f"detector-{stage}.toml"
        found = run("train", "--config", recipe, *small, "--mixed-precision", "float32")
        assert found.exit_code == 0, found.output
    config = load_detector(home / "saved_model" / "face_detector").config
    assert config["initial"] == "face_detector_1" and len(config["earlier_stages"]) == 1
    assert set(config["sets"]) == {"face_boxes", "fairface"}


def test_the_recipe_of_landmarks_needs_landmarks(boxes, home, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    for name in ("face_boxes", "fairface"):
        shutil.copytree(boxes, tmp_path / "data" / name)
    monkeypatch.chdir(tmp_path)
    recipe = ("--config", ROOT / "docs" / "recipes" / "landmarks.toml", "--epochs", 1, "--samples", 64)
    code, words = refusal(run("train", *recipe))
    assert code == 2 and "known landmarks" in words
    for name in ("face_boxes", "fairface"):
        add_landmarks(tmp_path / "data" / name / "boxes.csv")
    found = run("train", *recipe)
    assert found.exit_code == 0, found.output
    assert load_finder(home / "saved_model" / "face_landmarks").config["options"]["epochs"] == 1


def add_landmarks(table):
    header, *rows = table.read_text().split()
    names = ",".join(f"{name}_{axis}" for name in LANDMARK_NAMES for axis in "xy")
    lines = [f"{header},{names}"]
    for row in rows:
        left, top, right, bottom = map(int, row.split(",")[1:])
        points = CHIP_LANDMARKS * (right - left, bottom - top) + (left, top)
        lines.append(",".join([row, *(f"{value:.1f}" for value in points.ravel())]))
    table.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "option", [("--image-size", 64), ("--initial", "face_landmarks"), ("--heads", "age")]
)
def test_what_means_nothing_to_landmarks_is_refused(boxes, option):
    found = run("train", "--model-type", "landmarks", "--data-path", boxes, *option)
    assert found.exit_code == 2 and "not for --model-type landmarks" in found.output
