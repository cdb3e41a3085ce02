"""The commands of docs/recipe.md, in their order, on a handful of drawn pictures and tiny networks."""

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from facecli.cli.app import main
from facecli.core.paths import MODEL_TYPES
from facecli.core.recipes import FitOptions
from facecli.models.checkpoint import load_checkpoint
from facecli.models.terms import terms_of
from facecli.training import soft_labels, teachers

ROOT = Path(__file__).resolve().parents[2]
AGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "more than 70")
RACES = ("White", "Black", "East Asian", "Southeast Asian", "Indian", "Latino_Hispanic", "Middle Eastern")
EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
STAGE = re.compile(r"^\| \S+ \| `facecli ([^`]+)`", re.MULTILINE)
PICTURES = 240
FEATURES = {"facenet": {"block17": 896, "block8": 1792, "embedding": 512}, "mobilenet": {"mobilenet": 1024}}


@pytest.fixture
def data(tmp_path):
    """The folder with `data/`: a tiny set of each layout that the recipe names."""
    random = np.random.default_rng(4)
    write_fairface(tmp_path / "data" / "fairface", random)
    for index in range(PICTURES):
        name = f"{index % 90}_{index % 2}_{index % 5}_{20170101000000000 + index}.jpg.chip.jpg"
        write_picture(tmp_path / "data" / "UTKFace" / name, random)
        split, emotion = ("train", "test")[index % 6 == 0], EMOTIONS[index % 7]
        write_picture(tmp_path / "data" / "fer2013" / split / emotion / f"{index}.jpg", random)
    return tmp_path


def write_fairface(folder, random):
    rows = []
    for index in range(PICTURES):
        write_picture(folder / "train" / f"{index}.jpg", random)
        gender = ("Male", "Female")[index % 2]
        rows.append(f"train/{index}.jpg,{AGES[index % 6]},{gender},{RACES[index % 7]},True")
    table = "\n".join(["file,age,gender,race,service_test", *rows])
    (folder / "fairface_label_train.csv").write_text(table, encoding="utf-8")


def write_picture(path, random):
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = random.integers(0, 256, (6, 6, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, (96, 96), interpolation=cv2.INTER_CUBIC))


@pytest.fixture
def frozen_teachers(monkeypatch):
    """What FaceNet and MobileNet see is drawn: their weights are not here. Heads on it learn one epoch."""

    def seen(network):
        def features(files, *_, **__):
            random = np.random.default_rng(len(files))
            sizes = FEATURES[network].items()
            return {tap: random.normal(size=(len(files), size)).astype(np.float32) for tap, size in sizes}

        return features

    for network in FEATURES:
        monkeypatch.setattr(teachers, f"{network}_features", seen(network))
    monkeypatch.setattr(soft_labels, "TEACHER", FitOptions(epochs=1, batch_size=64))
    monkeypatch.setattr(soft_labels, "FOLDS", 2)
    monkeypatch.setattr(teachers, "LOOK_MARGINS", (0.0,))


def small(command):
    """The arguments, with few and small pictures and one epoch."""
    words = shlex.split(command)
    if words[0] in ("train", "distil"):
        words[2] = str(ROOT / words[2])
        keeps = "epochs = 0" in Path(words[2]).read_text(encoding="utf-8")
        small = ["--image-size", "32", "--batch-size", "32", "--mixed-precision", "float32"]
        return [*words, *small, *([] if keeps else ["--epochs", "1"])]
    if words[0] == "data":
        return [*words, "--count", "60", "--side", "32"]
    return [*words, "--range-faces", "8"]


def test_the_recipe_runs_from_the_first_stage_to_the_models(data, home, frozen_teachers, monkeypatch):
    stages = STAGE.findall((ROOT / "docs" / "recipe.md").read_text(encoding="utf-8"))
    assert [stage.split()[0] for stage in stages] == [
        *("data", "train", "train", "train", "export"),
        *("data", "distil", "train", "train", "train", "export"),
        *("train", "export"),
    ]
    monkeypatch.chdir(data)
    # The export goes into the model's own folder, which the documents name from a checkout.
    home.mkdir()
    (data / "saved_model").symlink_to(home / "saved_model")
    for command in stages:
        assert main(small(command)) == 0, command
    found = {name: load_checkpoint(home / "saved_model" / f"{name}_model") for name in MODEL_TYPES}
    for shipped in found.values():
        assert shipped.config["exports"]["model.tflite"]["dtype"] == "int8"
        assert shipped.verified("model.tflite").stat().st_size > 0
    assert {name: len(shipped.config["earlier_stages"]) for name, shipped in found.items()} == {
        "open": 2,
        "facenet": 6,
        "normal": 0,
    }
    assert set(found["open"].config["sets"]) == {"fairface", "not_face_fairface"}
    assert found["open"].heads == ("age", "gender", "race", "race_7", "face")
    assert found["facenet"].heads == ("age", "gender", "race", "race_7", "emotion", "face")
    assert found["normal"].heads == ("age", "gender", "race", "race_7")
    narrow = {name: terms_of(shipped.config).is_narrow for name, shipped in found.items()}
    assert narrow == {"open": False, "facenet": True, "normal": True}
