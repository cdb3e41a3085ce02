"""The commands of docs/recipe.md, in their order, on a handful of drawn faces and tiny networks."""

import re
import shlex
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from facecli.cli import main
from facecli.labels import EMOTIONS
from facecli.models.checkpoint import load_checkpoint
from facecli.models.inception_resnet_v1 import TAP_DIMS
from facecli.recipes import FitOptions
from facecli.training import soft_labels, teachers, transfer

RECIPE = Path(__file__).resolve().parents[2] / "docs" / "recipe.md"
RACES = ("White", "Black", "East Asian", "Southeast Asian", "Indian", "Latino_Hispanic", "Middle Eastern")
LESS = {
    "--image-size": lambda side: max(side // 3, 32),
    "--view-size": lambda side: max(side // 3, 32),
    "--views": lambda views: min(views, 2),
    "--epochs": lambda epochs: min(epochs, 1),
    "--unfreeze-epochs": lambda epochs: 1,
}
STAGE = re.compile(r"^\| \d+ \| `facecli ([^`]+)`", re.MULTILINE)


@pytest.fixture
def stand_in_teachers(monkeypatch):
    """FaceNet is not here: features that are a fixed map of the picture's name, and a small trunk."""

    def features(sizes):
        def look(files, keys, weights=None, **_):
            ages = np.array([[float(file.stem.split("_")[0])] for file in files], np.float32)
            random = np.random.default_rng(0)
            return {tap: ages / 50 + random.normal(size=(1, size)) for tap, size in sizes.items()}

        return look

    monkeypatch.setattr(
        teachers, "facenet_features", features({"block17": 896, "block8": 1792, "embedding": 512})
    )
    monkeypatch.setattr(teachers, "mobilenet_features", features({"mobilenet": 1024}))
    monkeypatch.setattr(soft_labels, "TEACHER", FitOptions(epochs=1, batch_size=32))
    monkeypatch.setattr(teachers, "LOOK_MARGINS", (0.0,))
    monkeypatch.setattr(transfer, "load_facenet", small_trunk)
    monkeypatch.setattr(transfer, "unfreeze_blocks", lambda network, count: [])
    yield
    keras.config.set_dtype_policy("float32")


def small_trunk(weights, taps):
    image = keras.Input((160, 160, 3), dtype="uint8")
    pooled = keras.layers.AveragePooling2D(40)(keras.layers.Rescaling(1 / 255)(image))
    pooled = keras.layers.Flatten()(pooled)
    return keras.Model(image, {tap: keras.layers.Dense(TAP_DIMS[tap], name=tap)(pooled) for tap in taps})


@pytest.fixture
def extra_sets(tmp_path):
    """Name -> a tiny data set of the layout that the recipe's `data/NAME` has."""
    random = np.random.default_rng(4)

    def write(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = random.integers(0, 256, (6, 6, 3), np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, (48, 48), interpolation=cv2.INTER_CUBIC))

    for index in range(28):
        write(tmp_path / "fer2013" / "train" / EMOTIONS[index % 7] / f"{index}.jpg")
        write(tmp_path / "not_face" / "train" / "not_face" / f"{index}.jpg")
        write(tmp_path / "fairface" / "train" / f"{index}.jpg")
    rows = [f"train/{index}.jpg,20-29,Male,{RACES[index % 7]},True" for index in range(28)]
    table = tmp_path / "fairface" / "fairface_label_train.csv"
    table.write_text("\n".join(["file,age,gender,race,service_test", *rows]), encoding="utf-8")
    return {name: tmp_path / name for name in ("fer2013", "not_face", "fairface")}


def small(command, faces, extra_sets):
    """The arguments, with one epoch of at most 200 faces of a third of their size."""
    words = shlex.split(command)
    if words[0] == "export":
        return [*words, "--range-faces", "8", "--data-path", str(faces)]
    for place in (index + 1 for index, word in enumerate(words) if word == "--extra-data"):
        words[place] = str(extra_sets[words[place].removeprefix("data/")])
    for option, less in LESS.items():
        if option in words:
            place = words.index(option) + 1
            words[place] = str(less(int(words[place])))
    if "--batch-size" in words:
        del words[words.index("--batch-size") : words.index("--batch-size") + 2]
    return [*words, "--limit", "200", "--batch-size", "32", "--data-path", str(faces)]


def test_the_recipe_runs_from_the_first_stage_to_the_model(
    faces_folder, home, stand_in_teachers, extra_sets, monkeypatch
):
    stages = STAGE.findall(RECIPE.read_text(encoding="utf-8"))
    assert [stage.split()[0] for stage in stages[-3:]] == ["distil", "train", "export"]
    home.mkdir(exist_ok=True)
    monkeypatch.chdir(home)
    for command in stages:
        assert main(small(command, faces_folder, extra_sets)) == 0, command
        if "--average" in command:
            student = load_checkpoint(home / "saved_model" / "facenet_embedding")
            assert set(student.config["average"]) == {"facenet_partner", "facenet_sibling"}
    assert any("--average" in command for command in stages)
    shipped = load_checkpoint(home / "saved_model" / "facenet_model")
    # Students with names of their own only lend their weights to a mean.
    line = [stage for stage in stages if stage.startswith("distil") and "--name" not in stage]
    assert len(shipped.config["earlier_stages"]) == len(line)
    assert shipped.config["backbone"] == "compact"
    assert shipped.heads == ("age", "gender", "race", "emotion", "face")
    assert shipped.config["exports"]["model.tflite"]["dtype"] == "int8"
    assert shipped.verified("model.tflite").stat().st_size > 0
