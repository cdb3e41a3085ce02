"""`facecli explain` from its arguments to files, streams and exit codes."""

import importlib.util
import json
import shutil
import sys

import numpy as np
import pytest

from facecli.cli import app
from facecli.cli import explain as command
from facecli.core.attributes import HEAD_CLASSES
from facecli.core.images import load_image, save_image
from facecli.models.checkpoint import write_config

keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory, tiny_checkpoint):
    """A model that convolves, with the heads age, gender and face and without a LiteRT file."""
    folder = tmp_path_factory.mktemp("explained") / "tiny"
    folder.mkdir()
    keras.utils.set_random_seed(4)
    image = keras.Input((24, 24, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = keras.layers.Conv2D(6, 3, 2, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    heads = ("age", "gender", "face")
    outputs = {head: keras.layers.Dense(HEAD_CLASSES[head], "softmax", name=head)(x) for head in heads}
    keras.Model(image, outputs).save(folder / "model.keras")
    config = {**tiny_checkpoint.config, "name": "tiny", "heads": list(heads), "image_size": [24, 24]}
    write_config(folder, config, ("model.keras",))
    return folder


@pytest.fixture
def explain(model_folder, tmp_path, monkeypatch, capfd):
    """Runs `facecli explain` with the tiny model in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def explain(*arguments, model=model_folder):
        code = app.main(["explain", "--model-path", str(model), *map(str, arguments)])
        said = capfd.readouterr()
        return code, said.out, said.err

    return explain


@pytest.fixture
def chip(tmp_path):
    """A smooth random picture."""
    path = tmp_path / "pictures" / "chip ü.png"
    picture = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    save_image(path, np.kron(picture, np.ones((8, 8, 1), np.uint8)))
    return path


def assert_error(result, code, *words):
    found, out, err = result
    assert (found, out) == (code, "")
    lines = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert lines == err.splitlines()[-1:]
    for word in words:
        assert word in lines[0]


def test_its_choices_are_those_of_the_room():
    from facecli.explain import METHODS, heat_map

    assert command.HEADS == heat_map.HEADS
    assert list(command.METHODS) == list(METHODS)
    assert list(command.REFERENCES) == list(heat_map.REFERENCES)


def test_a_chip(explain, chip, tmp_path):
    code, out, err = explain("--img", chip, "--detector", "none", "--json", "rows.jsonl")
    assert code == 0, err
    files = sorted(path.name for path in (tmp_path / "explained").iterdir())
    name = "chip ü.png-face1-{}-integrated-gradients.png"
    assert files == [name.format("age"), name.format("gender"), "index.html"]
    assert load_image(tmp_path / "explained" / files[0]).shape[2] == 3
    page = (tmp_path / "explained" / "index.html").read_text(encoding="utf-8")
    assert page.count("<img") == 2
    assert "chip ü.png" in page
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["head"] for row in rows] == ["age", "gender"]
    assert rows[0]["box_xyxy"] == [0, 0, 48, 48]
    assert rows[0]["deletion"]["draws"] == 10
    assert abs(rows[1]["residual"]) < 0.1
    assert "less hottest" in out
    assert "wrote 2 heat maps" in err


def test_the_value_is_the_one_that_the_model_gives(explain, chip, model_folder):
    from facecli.core.crops import crop_face
    from facecli.models.readout import expected_age

    _, out, _ = explain("--img", chip, "--detector", "none", "--head", "age", "--json", "-")
    row = json.loads(out)
    crop = crop_face(load_image(chip), (0, 0, 48, 48), 0.0, (24, 24))
    outputs = keras.saving.load_model(model_folder / "model.keras").predict(crop[None], verbose=0)
    assert row["value"] == pytest.approx(expected_age(outputs["age"])[0], abs=0.01)


def test_methods_and_heads_are_chosen(explain, chip, tmp_path):
    methods = ("--method", "grad-cam", "--method", "smooth-grad", "--reference", "grey")
    code, out, _ = explain("--img", chip, "--detector", "none", "--head", "gender", *methods, "--json", "-")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["head"], row["method"], row["reference"]) for row in rows] == [
        ("gender", "grad-cam", "grey"),
        ("gender", "smooth-grad", "grey"),
    ]
    for row in rows:
        assert (tmp_path / row["file"]).is_file()


def test_a_face_that_has_to_be_found(explain, astronaut, tmp_path, model_folder):
    save_image(tmp_path / "woman.png", astronaut)
    code, out, err = explain("--img", "woman.png", "--head", "age", "--json", "-")
    assert code == 0, err
    left, top, right, bottom = json.loads(out.splitlines()[0])["box_xyxy"]
    assert left < 225 < right
    assert top < 116 < bottom


def test_pictures_of_one_name_do_not_meet(explain, chip, tmp_path):
    other = tmp_path / "others" / chip.name
    other.parent.mkdir()
    shutil.copy(chip, other)
    options = ("--detector", "none", "--head", "age", "--method", "grad-cam")
    code, _, err = explain("--img", chip, "--img", other, *options)
    assert code == 0, err
    assert len(list((tmp_path / "explained").rglob("*.png"))) == 2


def test_the_rest_goes_on(explain, chip, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    options = ("--detector", "none", "--head", "age", "--method", "grad-cam", "--json", "rows.jsonl")
    code, out, err = explain("--img", broken, "--img", chip, *options)
    assert code == 1
    assert "1 of 2 pictures could not be explained" in err
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["error"] is None for row in rows] == [False, True]
    assert "chip" in out
    assert "cannot be read as a picture" in (tmp_path / "explained" / "index.html").read_text(
        encoding="utf-8"
    )


def test_no_face(explain, tmp_path):
    save_image(tmp_path / "grey.png", np.full((200, 200, 3), 90, np.uint8))
    assert_error(explain("--img", "grey.png"), 1, "no face found in grey.png", "--detector none")
    assert not (tmp_path / "explained").exists()


def test_an_empty_folder_of_the_user_stays(explain, tmp_path):
    save_image(tmp_path / "grey.png", np.full((200, 200, 3), 90, np.uint8))
    (tmp_path / "mine").mkdir()
    assert explain("--img", "grey.png", "--output", "mine")[0] == 1
    assert (tmp_path / "mine").is_dir()


def test_no_picture(explain, tmp_path):
    (tmp_path / "text.png").write_text("hello")
    assert_error(explain("--img", "text.png"), 1, "text.png")
    assert_error(explain("--img", "gone.png"), 2, "gone.png")


def test_a_head_that_the_model_lacks(explain, chip):
    assert_error(explain("--img", chip, "--head", "race"), 2, "tiny has no head 'race'; it has age, gender")


def test_no_place_to_write(explain, chip, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert_error(explain("--img", chip, "--output", "file"), 2, "is a file")
    assert_error(explain("--img", chip, "--output", "file/deeper"), 1, "cannot write file/deeper")
    assert_error(explain("--img", chip.parent, "--output", chip.parent), 2, "folder of the pictures")


def test_a_file_that_was_changed_is_refused(explain, chip, model_folder, tmp_path):
    copy = shutil.copytree(model_folder, tmp_path / "changed")
    with (copy / "model.keras").open("ab") as file:
        file.write(b"!")
    assert_error(explain("--img", chip, "--detector", "none", model=copy), 1, "sha256 differs")


def test_code_in_a_model_is_refused(explain, chip, model_folder, tmp_path):
    folder = tmp_path / "evil"
    folder.mkdir()
    image = keras.Input((24, 24, 3), dtype="uint8")
    x = keras.layers.Lambda(lambda x: keras.ops.mean(keras.ops.cast(x, "float32"), axis=(1, 2)))(image)
    keras.Model(image, {"age": keras.layers.Dense(117, "softmax")(x)}).save(folder / "model.keras")
    config = json.loads((model_folder / "config.json").read_text())
    write_config(folder, {**config, "heads": ["age"]}, ("model.keras",))
    assert_error(explain("--img", chip, "--detector", "none", model=folder), 1, "cannot be loaded safely")


def test_without_shap(explain, chip, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "shap" else found(name, *more)
    )
    result = explain("--img", chip, "--detector", "none", "--method", "shap")
    assert_error(result, 1, "[explain]'")


def test_without_keras(explain, chip, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    assert_error(explain("--img", chip, "--detector", "none"), 1, "[train]'")


def test_quiet(model_folder, chip, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    options = ("--detector", "none", "--head", "age", "--method", "grad-cam", "--json", "-")
    code = app.main(["--quiet", "explain", "--model-path", str(model_folder), "--img", str(chip), *options])
    said = capfd.readouterr()
    assert (code, said.err) == (0, "")
    assert json.loads(said.out)["head"] == "age"
