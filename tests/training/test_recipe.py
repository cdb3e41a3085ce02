"""The commands of docs/recipe.md, in their order, on a handful of drawn pictures and tiny networks."""

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from facecli.cli import main
from facecli.models.checkpoint import load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
AGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "more than 70")
RACES = ("White", "Black", "East Asian", "Southeast Asian", "Indian", "Latino_Hispanic", "Middle Eastern")
STAGE = re.compile(r"^\| \S+ \| `facecli ([^`]+)`", re.MULTILINE)
PICTURES = 240


@pytest.fixture
def fairface(tmp_path):
    """A tiny set of FairFace's layout in data/fairface of the current folder's stead."""
    random, rows = np.random.default_rng(4), []
    folder = tmp_path / "data" / "fairface"
    (folder / "train").mkdir(parents=True)
    for index in range(PICTURES):
        coarse = random.integers(0, 256, (6, 6, 3), np.uint8)
        picture = cv2.resize(coarse, (96, 96), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / "train" / f"{index}.jpg"), picture)
        gender = ("Male", "Female")[index % 2]
        rows.append(f"train/{index}.jpg,{AGES[index % 6]},{gender},{RACES[index % 7]},True")
    table = "\n".join(["file,age,gender,race,service_test", *rows])
    (folder / "fairface_label_train.csv").write_text(table, encoding="utf-8")
    return folder


def small(command):
    """The arguments, with few and small pictures and one epoch."""
    words = shlex.split(command)
    if words[0] == "train":
        words[2] = str(ROOT / words[2])
        return [*words, "--epochs", "1", "--image-size", "32", "--batch-size", "32"]
    if words[0] == "data":
        return [*words, "--count", "60", "--side", "32"]
    return [*words, "--range-faces", "8"]


def test_the_recipe_runs_from_the_first_stage_to_the_model(fairface, home, monkeypatch):
    stages = STAGE.findall((ROOT / "docs" / "recipe.md").read_text(encoding="utf-8"))
    assert [stage.split()[0] for stage in stages] == ["data", "train", "train", "export"]
    monkeypatch.chdir(fairface.parents[1])
    # The export goes into the model's own folder, which the documents name from a checkout.
    home.mkdir()
    (fairface.parents[1] / "saved_model").symlink_to(home / "saved_model")
    for command in stages:
        assert main(small(command)) == 0, command
    shipped = load_checkpoint(home / "saved_model" / "open_model")
    assert len(shipped.config["earlier_stages"]) == 1
    assert set(shipped.config["sets"]) == {"fairface", "not_face_fairface"}
    assert shipped.heads == ("age", "gender", "race", "race_7", "face")
    assert shipped.config["exports"]["model.tflite"]["dtype"] == "int8"
    assert shipped.verified("model.tflite").stat().st_size > 0
