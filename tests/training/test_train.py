"""From a folder of faces to a model folder that runs, with networks of a few hundred weights."""

import json
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from facecli.core.errors import CheckpointError, DataError, InputError
from facecli.core.paths import MODEL_FOLDERS
from facecli.core.recipes import EMBEDDING_MODEL, GENUINE, DistilRequest, FitOptions, TrainRequest, resolve
from facecli.models.checkpoint import load_checkpoint, write_config, write_json
from facecli.training import distil as distillation
from facecli.training import soft_labels, teachers
from facecli.training.prepare import prepare_data
from facecli.training.save import load_network
from facecli.training.soft_labels import ViewMaker
from facecli.training.teachers import TAPS
from facecli.training.train import _start, train

FAST = FitOptions(epochs=1, batch_size=32, learning_rate=5e-3)


@pytest.fixture
def data(faces_folder, home):
    return prepare_data(faces_folder, seed=1)


def test_splits_share_no_group_and_the_digest_names_them(data):
    groups = [set(data.frame["group"].iloc[data.rows(split)]) for split in ("train", "val", "test")]
    assert not (groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2])
    assert (
        len(data.rows("all")) == len(data.frame) == sum(len(data.rows(s)) for s in ("train", "val", "test"))
    )


def test_a_trained_folder_carries_its_recipe_and_runs(data, home):
    request = TrainRequest(model_type="normal", rebalance="weights", command="facecli train")
    checkpoint = train(data, request, FAST)
    assert checkpoint.folder == home / "saved_model" / "normal_model"
    config = json.loads((checkpoint.folder / "config.json").read_text())
    assert config["split_digest"] == data.digest
    assert config["command"] == "facecli train"
    assert config["rebalance"] == "weights"
    assert config["image_size"] == [16, 16]
    assert config["labels"]["race"] == ["white", "black", "asian", "indian", "other"]
    assert set(config["detectors"]) == {"cnn", "haar", "yunet", "none"}
    assert len(pd.read_csv(checkpoint.folder / "history.csv")) == 1
    crops = data.crops((16, 16))[:4]
    network = load_network(checkpoint)
    assert {weights.dtype for weights in network.weights} == {"float32"}
    stored = keras.saving.load_model(checkpoint.folder / "model.keras")
    assert {weights.dtype for weights in stored.weights} == {"float16"}
    exact = network.predict(crops, verbose=0)
    from facecli.models.litert import Predictor

    for head, values in Predictor(load_checkpoint(checkpoint.folder)).predict(crops).items():
        np.testing.assert_allclose(values, exact[head], atol=5e-3)


def test_a_model_goes_on_from_another_and_remembers_it(data):
    first = train(data, TrainRequest("normal", name="first", command="facecli train 1"), FAST)
    slowly = FitOptions(epochs=1, batch_size=32, learning_rate=1e-9)
    second = train(data, TrainRequest("normal", initial="first", command="facecli train 2"), slowly)
    assert [stage["command"] for stage in second.config["earlier_stages"]] == ["facecli train 1"]
    ours, theirs = (load_network(checkpoint).get_weights() for checkpoint in (second, first))
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-4)
    np.testing.assert_allclose(ours[-2], theirs[-2], atol=1e-4)


def test_no_epochs_take_the_model_as_it_is_with_its_history(data):
    first = train(data, TrainRequest("normal", heads=("age", "gender"), name="first"), FAST)
    none = FitOptions(epochs=0, batch_size=32)
    second = train(data, TrainRequest("normal", heads=("age",), initial="first", name="second"), none)
    theirs = load_network(first).predict(data.crops((16, 16))[:3], verbose=0)
    ours = load_network(second).predict(data.crops((16, 16))[:3], verbose=0)
    np.testing.assert_allclose(ours["age"], theirs["age"], atol=1e-6)
    assert len(pd.read_csv(second.folder / "history.csv")) == 1
    with pytest.raises(InputError, match="was not trained for race"):
        train(data, TrainRequest("normal", initial="first"), none)
    with pytest.raises(InputError, match="was not trained for age, gender, race"):
        train(data, TrainRequest("normal"), none)


def test_one_head_and_oversampling(data):
    checkpoint = train(data, TrainRequest("normal", heads=("age",), rebalance="oversample"), FAST)
    assert checkpoint.name == "normal_age_model"
    assert list(load_network(checkpoint).output) == ["age"]


def test_ten_pictures_are_refused_before_training(faces_folder, home):
    few = prepare_data(faces_folder, seed=1, limit=10)
    with pytest.raises(DataError, match="too few"):
        train(few, TrainRequest("normal"), FAST)
    assert not (home / "saved_model").exists()


def test_a_missing_class_is_named(data):
    data.frame.loc[data.frame["race"] == 3, "race"] = 2
    with pytest.raises(DataError, match="indian"):
        train(data, TrainRequest("normal"), FAST)


def test_a_transfer_without_its_embedding_names_the_remedy(data):
    with pytest.raises(CheckpointError, match="no_such_embedding"):
        train(data, TrainRequest("facenet", embedding="no_such_embedding"), FAST)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (TrainRequest("normal", backbone="compact"), "not a backbone of 'normal'"),
        (TrainRequest("facenet", unfreeze=2), "--unfreeze"),
        (TrainRequest("facenet", backbone="inception-resnet-v1", initial="facenet_model"), "--initial"),
    ],
)
def test_requests_that_do_not_fit_together(request_, message):
    with pytest.raises(InputError, match=message):
        resolve(request_)


def test_distil_then_transfer(data, home, monkeypatch):
    """A stand-in teacher: features that are a fixed map of the labels."""

    def features(files, keys, weights=None, taps=TAPS, **_):
        rows = data.frame.set_index("sha256").loc[keys]
        sizes = {"block17": 896, "block8": 1792, "embedding": 512}
        seeds = np.random.default_rng(0)
        return {
            tap: rows[["age_years", "gender", "race"]].to_numpy(np.float32)
            @ seeds.normal(size=(3, sizes[tap]))
            for tap in taps
        }

    monkeypatch.setattr(teachers, "facenet_features", features)
    monkeypatch.setattr(soft_labels, "TEACHER", FitOptions(epochs=1, batch_size=32))
    monkeypatch.setattr(teachers, "LOOK_MARGINS", (0.0,))
    student = distillation.distil(data, FAST, DistilRequest(image_size=16, command="facecli distil"))
    assert student.config["val_cosine"].keys() == {"embedding", "block17"}
    assert list(student.config["sha256"]) == ["model.keras"]
    further = DistilRequest(
        image_size=24, initial="facenet_embedding", name="longer", command="facecli distil 2"
    )
    longer = distillation.distil(data, FAST, further)
    assert [stage["command"] for stage in longer.config["earlier_stages"]] == ["facecli distil"]
    checkpoint = train(data, TrainRequest("facenet"), FitOptions(epochs=1, batch_size=32, learning_rate=1e-9))
    assert [stage["command"] for stage in checkpoint.config["earlier_stages"]] == ["facecli distil"]
    ours = load_network(checkpoint).get_layer("backbone").get_weights()
    theirs = load_network(student).get_layer("backbone").get_weights()
    assert len(ours) == len(theirs)
    # Learning so slowly only batch statistics move; the kernels are the student's.
    np.testing.assert_allclose(ours[0], theirs[0].astype("float32"), atol=1e-3)


def test_a_trained_model_teaches_by_views(data, home, monkeypatch):
    train(data, TrainRequest("normal", heads=("age", "gender")), FAST)
    asked = DistilRequest(
        name="watcher",
        image_size=16,
        teachers=(),
        teacher_model="normal_age_gender_model",
        views=2,
        view_size=20,
    )
    student = distillation.distil(data, FAST, asked)
    assert student.heads == ("age", "gender", "race") and student.image_size == (16, 16)
    taught = student.config["teacher_model"]
    assert taught["name"] == "normal_age_gender_model" and len(taught["sha256"]) == 64
    assert student.config["val_cosine"] == {}

    def asked_again(*_, **__):
        raise AssertionError("the teacher looked again")

    monkeypatch.setattr(ViewMaker, "predict_on_batch", asked_again)
    distillation.distil(data, FAST, asked)


def test_a_teacher_that_is_missing_is_named(data, home):
    with pytest.raises(CheckpointError, match="nobody"):
        distillation.distil(data, FAST, DistilRequest(teachers=(), teacher_model="nobody"))


def lambda_model(folder):
    image = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.Lambda(lambda x: keras.ops.mean(keras.ops.cast(x, "float32"), axis=(1, 2)))(image)
    network = keras.Model(image, {"age": keras.layers.Dense(117, activation="softmax")(x)})
    network.save(folder / "model.keras")


def other_heads(folder):
    image = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    keras.Model(image, {"mood": keras.layers.Dense(3)(x)}).save(folder / "model.keras")


def no_model(folder):
    (folder / "model.keras").write_bytes(b"PK not a zip")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda_model, "cannot be loaded safely"),
        (other_heads, "no output for age"),
        (no_model, "cannot be loaded"),
    ],
)
def test_other_peoples_files_are_refused_by_name(tmp_path, make, message):
    make(tmp_path)
    config = {
        "name": "x",
        "model_type": "normal",
        "heads": ["age"],
        "labels": {},
        "image_size": [8, 8],
        "detectors": {},
    }
    write_config(tmp_path, config, ("model.keras",))
    with pytest.raises(CheckpointError, match=message):
        load_network(load_checkpoint(tmp_path))


def test_a_facenet_starts_from_the_last_student_or_from_the_one_that_ships(home):
    request = resolve(TrainRequest("facenet"))
    assert _start(request) == MODEL_FOLDERS["facenet"]
    write_json(home / "saved_model" / EMBEDDING_MODEL / "config.json", {})
    assert _start(request) == EMBEDDING_MODEL
    assert _start(resolve(TrainRequest("facenet", embedding="mine"))) == "mine"
    assert _start(resolve(TrainRequest("facenet", embedding="mine", initial="theirs"))) == "theirs"
    assert _start(resolve(TrainRequest("facenet", backbone=GENUINE))) is None


def test_a_model_may_be_the_mean_of_others(data, home):
    request = TrainRequest("normal", heads=("gender",), name="one")
    one = train(data, request, FAST)
    two = train(data, replace(request, name="two", initial="one"), FAST)
    asked = replace(request, name="mean", initial="two", average=("one",), command="facecli train mean")
    mean = train(data, asked, replace(FAST, epochs=0))
    weights = [load_network(folder).get_layer("backbone").get_weights() for folder in (one, two, mean)]
    for first, second, middle in zip(*weights, strict=True):
        np.testing.assert_allclose(middle, (first + second) / 2, atol=2e-3, rtol=2e-3)
    assert list(mean.config["average"]) == ["one"] and mean.config["initial"] == "two"
