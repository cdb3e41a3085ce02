"""A head of one's own: on a finished model, or learnt with the network."""

import json
import re
import shutil

import keras
import numpy as np
import pytest
from glasses_fixtures import CLASSES, glasses_data, prepared, write_glasses_faces

from facecli.core.errors import CheckpointError, DataError, InputError
from facecli.core.recipes import FitOptions, TrainRequest
from facecli.models.checkpoint import load_checkpoint, write_json
from facecli.models.litert import Predictor
from facecli.training import added
from facecli.training.added import ALL_ROWS, added_figures
from facecli.training.save import load_network
from facecli.training.train import train

OWN = TrainRequest(heads=("glasses",), initial="begun", command="facecli train --heads glasses")
FAST = FitOptions(epochs=1, batch_size=32)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the model is kept from test to test: its conversion takes longest."""
    return tmp_path_factory.mktemp("kept") / "begun"


@pytest.fixture
def begun(save_student, home, kept):
    """A finished model of a few hundred weights, measured and calibrated."""
    folder = home / "saved_model" / "begun"
    if kept.exists():
        shutil.copytree(kept, folder)
        return load_checkpoint(folder)
    model = save_student("begun", 1, starting_point=False)
    calibration = {"temperatures": {"gender": 0.9}, "uncertain_below": {"gender": 0.6}}
    write_json(model.folder / "config.json", {**model.config, "calibration": calibration})
    write_json(model.folder / "metrics.json", {"model": "begun", "count": 7, "gender": {"accuracy": 0.9}})
    shutil.copytree(folder, kept)
    return load_checkpoint(folder)


@pytest.fixture
def data(tmp_path):
    return glasses_data(tmp_path / "mine", 60)


def test_it_is_the_same_model_with_a_head_more(begun, data):
    model = train(data, OWN, FAST)
    assert model.name == "facenet_glasses_model" and model.heads == (*begun.heads, "glasses")
    assert load_checkpoint(model.folder).further == {"glasses": CLASSES}
    assert model.config["calibration"]["temperatures"] == {"gender": 0.9}
    assert model.config["initial"] == "begun" and model.config["earlier_stages"][-1]["command"]
    assert model.config["sets"] == {"mine": ALL_ROWS}
    crops = data.crops((16, 16))
    before, after = Predictor(begun).predict(crops), Predictor(model).predict(crops)
    assert all(np.array_equal(before[head], after[head]) for head in begun.heads)
    assert after["glasses"].shape == (60, 2)
    # The copy that is trained further says the same.
    network, old = load_network(model), load_network(begun)
    said, known = (one.predict(crops, verbose=0) for one in (network, old))
    assert all(np.array_equal(said[head], known[head]) for head in begun.heads)
    assert said["glasses"] == pytest.approx(Predictor(model).predict_raw(crops)["glasses"], abs=0.02)


def test_of_few_faces_it_is_cross_validated(begun, data, caplog):
    with caplog.at_level("INFO", "facecli"):
        model = train(data, OWN, FAST)
    metrics = json.loads((model.folder / "metrics.json").read_text())
    row = metrics["glasses"]
    assert metrics["gender"] == {"accuracy": 0.9} and metrics["model"] == model.name
    assert row["split"] == "cross-validation" and row["folds"] == 5 and row["count"] == 60
    low, high = row["accuracy_ci95"]
    assert low <= row["accuracy"] <= high and row["by_class"]["yes"]["accuracy_ci95"]
    assert added_figures(model, ["glasses"]) == {"glasses": row} and "cross-validated" in caplog.text
    # Too few to calibrate by.
    assert "glasses" not in model.config["calibration"]["temperatures"]


def test_of_many_faces_a_test_split_says_how_good_it_is(begun, data, monkeypatch):
    monkeypatch.setattr(added, "FEWEST_FOR_SPLIT", 50)
    monkeypatch.setattr(added, "FEWEST_ROWS", 20)
    model = train(data, OWN, FAST)
    row = json.loads((model.folder / "metrics.json").read_text())["glasses"]
    assert row["split"] == "test" and row["count"] == len(data.rows("test")) and "folds" not in row
    assert model.config["sets"] == data.sets
    assert {"gender", "glasses"} == set(model.config["calibration"]["temperatures"])


def test_no_group_lies_in_two_folds(monkeypatch):
    seen = []
    fit = added._fit
    monkeypatch.setattr(
        added, "_fit", lambda features, *more: seen.append(features[:, 0]) or fit(features, *more)
    )
    groups = np.repeat(np.arange(30), 3)
    features = np.stack([groups, np.random.default_rng(0).random(90)], axis=1)
    said = added._out_of_fold(features, np.repeat(np.arange(30) % 2, 3), groups, 2, 1)
    assert said.shape == (90, 2) and np.allclose(said.sum(axis=1), 1) and len(seen) == 5
    for learnt in seen:
        # A group is learnt whole or not at all.
        assert set(np.unique(learnt, return_counts=True)[1]) == {3}


@pytest.mark.parametrize("classes", [2, 3])
def test_the_layer_says_what_the_regression_says(classes):
    random = np.random.default_rng(0)
    features = random.normal(3, [0.1, 5, 2], (400, 3))
    labels = (features @ random.normal(size=(3, classes))).argmax(axis=1)
    head = added._fit(features, labels, classes)
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    plain = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)).fit(features, labels)
    assert added._answers(head, features) == pytest.approx(plain.predict_proba(features), abs=0.02)


def test_a_class_that_a_fold_lacks_is_never_said():
    head = added._fit(np.arange(20.0)[:, None], np.arange(20) % 2 * 2, 3)
    assert added._answers(head, np.arange(3.0)[:, None])[:, 1] == pytest.approx(0)


def test_a_second_head_is_added_to_the_first(begun, data, tmp_path):
    train(data, OWN, FAST)
    rows = [{"file": f"{n:04d}.png", "hat": n // 2 % 3} for n in range(60)]
    hats = prepared(tmp_path / "mine", rows, {"hat": ("no", "cap", "wide brim")})
    model = train(hats, TrainRequest(heads=("hat",), initial="facenet_glasses_model"), FAST)
    assert model.heads == (*begun.heads, "glasses", "hat") and model.name == "facenet_hat_model"
    with pytest.raises(InputError, match="has a head 'glasses' already"):
        train(data, TrainRequest(heads=("glasses",), initial="facenet_hat_model"), FAST)


def test_rows_without_a_label_do_not_count(begun, tmp_path):
    rows = write_glasses_faces(tmp_path / "mine", 60)
    rows = [{**row, "glasses": -1 if number < 20 else row["glasses"]} for number, row in enumerate(rows)]
    model = train(prepared(tmp_path / "mine", rows, {"glasses": CLASSES}), OWN, FAST)
    assert json.loads((model.folder / "metrics.json").read_text())["glasses"]["count"] == 40


def test_a_class_with_few_pictures_is_warned_of(begun, data, caplog):
    rows = write_glasses_faces(data.folder, 60)
    rows = [{**row, "glasses": int(number < 12)} for number, row in enumerate(rows)]
    train(prepared(data.folder, rows, {"glasses": CLASSES}), OWN, FAST)
    assert re.search(r"glasses 'yes' has 1\d different pictures: with fewer than 30", caplog.text)
    assert "'no'" not in caplog.text


@pytest.mark.parametrize(
    ("classes", "error", "said"),
    [
        ({"glasses": ("no", "yes", "sun")}, DataError, "too few pictures of glasses sun (0)"),
        ({"glasses": tuple(f"class {n}" for n in range(500))}, DataError, "has 500 classes"),
        ({"glasses": ()}, DataError, "has no classes"),
        ({"glasses": ("no",)}, DataError, "'no' alone"),
        ({}, InputError, "no data set has labels of 'glasses'"),
    ],
)
def test_what_can_be_no_head_is_one_line_and_nothing_is_written(begun, tmp_path, home, classes, error, said):
    rows = write_glasses_faces(tmp_path / "mine", 40)
    with pytest.raises(error) as caught:
        train(prepared(tmp_path / "mine", rows, classes), OWN, FAST)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not (home / "saved_model" / "facenet_glasses_model").exists()


def test_a_column_that_is_called_as_a_known_head_is_refused(tmp_path):
    rows = [{**row, "gender": row["glasses"]} for row in write_glasses_faces(tmp_path / "mine", 40)]
    with pytest.raises(DataError, match="'gender' is one that facecli knows already"):
        prepared(tmp_path / "mine", rows, {"gender": CLASSES})


def test_a_model_of_another_build_takes_no_head(begun, data, home):
    image = keras.Input((16, 16, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 64)(image)
    outputs = {
        name: keras.layers.Dense(2, "softmax", name=name)(keras.layers.Flatten()(x))
        for name in ("gender", "face")
    }
    from facecli.training.save import Recipe, save_model

    recipe = Recipe("other", "facenet", "compact", ("gender", "face"), 1, "0", "none", FAST, "", 1.0)
    save_model(keras.Model(image, outputs), recipe, [], home / "saved_model" / "other")
    with pytest.raises(CheckpointError, match="do not share features"):
        train(data, TrainRequest(heads=("glasses",), initial="other"), FAST)


def test_an_open_model_with_pictures_of_ones_own_is_ones_own(data, save_student):
    save_student("begun", 1, starting_point=False, model_type="open", extra={"sets": {"fairface": "1"}})
    model = train(data, TrainRequest(model_type="open", heads=("glasses",), initial="begun"), FAST)
    assert model.config["terms"]["may_be_used_for"] == "what the terms of its data allow"
    assert "mine" in [source["name"] for source in model.config["terms"]["sources"]]


def test_it_is_learnt_with_the_network_when_others_are_asked_for_too(faces_folder, home, tmp_path):
    rows = [
        {**row, "gender": number // 2 % 2}
        for number, row in enumerate(write_glasses_faces(tmp_path / "mine", 120))
    ]
    data = prepared(tmp_path / "mine", rows, {"glasses": CLASSES})
    request = TrainRequest(model_type="normal", heads=("gender", "glasses"), image_size=16)
    model = train(data, request, FAST)
    assert load_checkpoint(model.folder).further == {"glasses": CLASSES}
    assert model.name == "normal_gender_glasses_model"
    assert Predictor(model).predict(data.crops((16, 16))[:2])["glasses"].shape == (2, 2)
    history = (model.folder / "history.csv").read_text().splitlines()[0].split(",")
    assert {"val_glasses_accuracy", "val_further_accuracy", "glasses_accuracy"} <= set(history)
    assert data.sets == model.config["sets"]


def test_a_head_that_was_added_is_learnt_anew_with_the_network(begun, data):
    train(data, OWN, FAST)
    rows = [
        {**row, "gender": number // 2 % 2} for number, row in enumerate(write_glasses_faces(data.folder, 120))
    ]
    both = prepared(data.folder, rows, {"glasses": CLASSES})
    request = TrainRequest(
        heads=("gender", "glasses"), initial="facenet_glasses_model", image_size=16, name="whole"
    )
    model = train(both, request, FAST)
    assert model.heads == ("gender", "glasses")
    assert "glasses_hidden" in [layer.name for layer in load_network(model).layers]
