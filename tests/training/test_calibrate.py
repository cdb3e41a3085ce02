"""Fits on made-up faces whose miscalibration is known."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from facecli.core.attributes import HEAD_CLASSES, MISSING, PRESENCE, RACE_OF_7, RACES
from facecli.data.layouts.utkface import read_utkface
from facecli.models.checkpoint import load_checkpoint, write_config
from facecli.models.readout import IDENTITY, Calibration, fold_matrix, load_calibration
from facecli.training.calibrate import (
    FEWEST_ROWS,
    LOWEST_QUALITY,
    REFUSED_FACES,
    UNCERTAIN_COST,
    balanced_rows,
    calibrate,
    fit_calibration,
    fit_face_threshold,
    fit_temperature,
    fit_uncertain_below,
)
from facecli.training.calibrate import drawn_ages as years_within
from facecli.training.metrics import AGE_BANDS, age_band_id, interval_metrics
from facecli.training.prepare import PreparedData


def drawn_classes(count, temperature, classes=5, seed=0):
    """True classes, and probabilities that are the right ones sharpened by `temperature`."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (count, classes))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = np.array([random.choice(classes, p=row) for row in honest])
    said = honest**temperature
    return true, said / said.sum(axis=1, keepdims=True)


def drawn_ages(count, seed=0):
    """True ages, and distributions that pull old and young to the middle and are too sure."""
    random = np.random.default_rng(seed)
    true = np.clip(random.normal(35, 20, count), 1, 95).astype(int)
    mean = np.clip(35 + 0.8 * (true - 35) + random.normal(0, 6, count), 0, 116)
    weights = np.exp(-(((np.arange(117) - mean[:, None]) / 4) ** 2) / 2)
    return true, weights / weights.sum(axis=1, keepdims=True)


def table(age=(), gender=(), race=()):
    return pd.DataFrame({"age_years": age, "gender": gender, "race": race})


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_a_known_temperature_is_found(temperature):
    true, said = drawn_classes(4000, temperature)
    assert fit_temperature(true, said) == pytest.approx(temperature, rel=0.1)


def test_a_perfect_head_has_a_finite_temperature():
    true = np.array([0, 1] * 60)
    assert 0 < fit_temperature(true, np.eye(2)[true]) < 10


def test_interval_holds_90_percent_overall_and_enough_of_every_band():
    thresholds_of, measured_on = drawn_ages(3000), drawn_ages(3000, seed=1)
    frame = table(thresholds_of[0], [MISSING] * 3000, [MISSING] * 3000)
    calibration = fit_calibration(frame, {"age": thresholds_of[1]})
    before = interval_metrics(*measured_on, IDENTITY)
    after = interval_metrics(*measured_on, calibration)
    assert min(before["coverage_90_by_band"].values()) < 0.6
    assert after["coverage_90_raw"] == before["coverage_90"]
    assert 0.88 <= after["coverage_90"] <= 0.92
    assert list(after["coverage_90_by_band"]) == list(AGE_BANDS)
    assert min(after["coverage_90_by_band"].values()) >= 0.8
    # The old are taken for younger ones: they need more room above.
    assert calibration.age.high[-1] > -calibration.age.low[-1]


def test_nothing_to_learn_from_is_no_calibration():
    nothing = Calibration(lowest_quality=LOWEST_QUALITY)
    assert fit_calibration(table(), {}) == nothing
    assert fit_calibration(table(), {"age": np.zeros((0, 117)), "gender": np.zeros((0, 2))}) == nothing


def test_too_few_labels_one_class_alone_and_absent_columns_leave_a_head_out():
    count = FEWEST_ROWS
    said = {head: np.full((count, n), 1 / n) for head, n in (("gender", 2), ("race", 5), ("emotion", 7))}
    labels = table([MISSING] * count, [0] * count, [MISSING] + [0, 1, 2] * (count // 3))
    assert fit_calibration(labels, said) == Calibration(lowest_quality=LOWEST_QUALITY)
    assert set(fit_calibration(labels.assign(race=[0, 1] * (count // 2)), said).temperatures) == {"race"}


def test_a_folded_race_has_no_temperature_but_is_uncertain_by_what_it_says_calibrated():
    seven, said = drawn_classes(4000, 2.0, classes=7)
    true = np.array([RACES.index(RACE_OF_7[race]) for race in seven])
    raw = {"race": said @ fold_matrix("race"), "race_7": said}
    frame = table([MISSING] * 4000, [MISSING] * 4000, true)
    found = fit_calibration(frame.assign(race_7=seven), raw)
    assert set(found.temperatures) == {"race_7"}
    assert found.temperatures["race_7"] == pytest.approx(2, rel=0.1)
    assert found.uncertain_below["race"] == fit_uncertain_below(true, found.apply(raw)["race"])
    assert found.uncertain_below["race"] != fit_uncertain_below(true, raw["race"])
    of_five = fit_calibration(frame.assign(race_7=MISSING), raw)
    assert of_five.temperatures == {} and set(of_five.uncertain_below) == {"race"}


def test_missing_labels_do_not_count():
    true, said = drawn_classes(1000, 2.0)
    alone = fit_calibration(table([MISSING] * 1000, [MISSING] * 1000, true), {"race": said})
    true[500:] = MISSING
    half = fit_calibration(table([MISSING] * 1000, [MISSING] * 1000, true), {"race": said})
    part = fit_calibration(table([MISSING] * 500, [MISSING] * 500, true[:500]), {"race": said[:500]})
    assert half == part != alone


def test_face_threshold_refuses_few_true_faces_and_never_what_is_more_likely_a_face():
    random = np.random.default_rng(0)
    face = np.concatenate([random.beta(1.2, 0.3, 1000), random.beta(0.3, 3, 300)])
    labels = np.repeat([1, 0], [1000, 300])
    said = np.stack([1 - face, face], axis=1)
    threshold = fit_face_threshold(labels, said)
    assert 0 < threshold < 0.5
    assert (face[:1000] < threshold).mean() <= REFUSED_FACES
    sure = np.where(labels == 1, 0.9, 0.1)
    assert fit_face_threshold(labels, np.stack([1 - sure, sure], axis=1)) == 0.5
    assert fit_calibration(pd.DataFrame({"face": labels}), {"face": said}).face_threshold == threshold


def test_too_few_faces_give_no_face_threshold():
    labels = np.zeros(500, int)
    assert fit_face_threshold(labels, np.full((500, 2), 0.5)) is None
    assert fit_face_threshold(labels[:0], np.zeros((0, 2))) is None


def test_edges_of_the_bands():
    assert age_band_id(np.array([-1, 0, 12, 13, 69, 70, 116])).tolist() == [-1, 0, 0, 1, 4, 5, 5]


@pytest.fixture
def saved(tmp_path):
    """A model folder with the Keras file of a tiny network that was never trained."""
    image = keras.Input((16, 16, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(8)(keras.layers.Rescaling(1 / 64)(image)))
    heads = "age", "gender", "race"
    outputs = {head: keras.layers.Dense(HEAD_CLASSES[head], "softmax", name=head)(x) for head in heads}
    folder = tmp_path / "model"
    folder.mkdir()
    keras.Model(image, {**outputs, "projection": x}).save(folder / "model.keras")
    config = {
        "name": "model",
        "model_type": "normal",
        "heads": list(heads),
        "labels": {},
        "image_size": [16, 16],
        "detectors": {"none": {"margin": 0.0, "shift_y": 0.0}},
    }
    return write_config(folder, config, ("model.keras",))


def test_a_saved_model_is_calibrated_on_validation_rows_and_its_files_stay(home, faces_folder, saved):
    frame = read_utkface(faces_folder).frame
    frame = frame.assign(split=np.where(frame.index < 150, "val", "test"))
    network = (saved.folder / "model.keras").read_bytes()
    returned = calibrate(saved, PreparedData(faces_folder, frame.assign(set="faces"), {"faces": "digest"}))
    loaded = load_checkpoint(saved.folder)
    assert loaded.config == json.loads(json.dumps(returned.config))
    assert set(load_calibration(loaded).temperatures) == {"gender", "race"}
    assert load_calibration(loaded).age is not None
    assert loaded.verified("model.keras").read_bytes() == network
    assert {**loaded.config, "calibration": 0} == {**saved.config, "calibration": 0}


def test_every_set_counts_alike_however_large():
    small, large = drawn_classes(200, 1.0, seed=1), drawn_classes(4000, 3.0, seed=2)
    true, said = (np.concatenate(parts) for parts in zip(small, large, strict=True))
    missing = np.full(len(true), MISSING)
    frame = table(missing, missing, true).assign(set=["small"] * 200 + ["large"] * 4000)
    both = fit_calibration(frame, {"race": said}).temperatures["race"]
    pooled = fit_calibration(frame.drop(columns="set"), {"race": said}).temperatures["race"]
    assert fit_temperature(*small) < both < pooled < fit_temperature(*large)


def test_balanced_rows():
    assert balanced_rows(np.array([], str)).tolist() == []
    assert sorted(balanced_rows(np.array(["b", "a", "b", "b"]))) == [0, 1, 1, 1, 2, 3]


def test_bins_become_ages_of_people_within_them():
    frame = table([30, -1, -1, -1], [0] * 4, [0] * 4)
    assert years_within(frame).tolist() == [30, -1, -1, -1]
    frame = frame.assign(age_low=[20, 20, 70, -1], age_high=[29, 29, 116, -1])
    many = pd.concat([frame] * 500, ignore_index=True)
    ages = years_within(many).reshape(500, 4)
    assert (ages[:, 0] == 30).all() and (ages[:, 3] == -1).all()
    assert set(ages[:, 1]) == set(range(20, 30))
    assert ages[:, 2].min() == 70 and 75 < ages[:, 2].mean() < 80


def test_an_interval_fitted_on_bins_holds_people_of_all_their_ages():
    true, said = drawn_ages(6000)
    low = true // 10 * 10
    missing = np.full(len(true), MISSING)
    frame = table(missing, missing, missing).assign(age_low=low, age_high=low + 9)
    first, last = fit_calibration(frame, {"age": said}).age_interval(said)
    assert 0.87 < ((first <= true) & (true <= last)).mean() < 0.96


def test_uncertain_is_said_where_labels_would_be_wrong_too_often():
    sure = np.array([[0.0, 1.0]] * 10)
    assert fit_uncertain_below(np.ones(10, int), sure) == 0
    random = np.random.default_rng(0)
    p = random.uniform(0.5, 1, 20000)
    true = (random.random(20000) < p).astype(int)
    found = fit_uncertain_below(true, np.stack([1 - p, p], axis=1))
    assert found == pytest.approx(1 - UNCERTAIN_COST, abs=0.03)


def test_no_set_has_more_of_its_faces_refused_than_another():
    faces = np.full(2000, PRESENCE.index("face"))
    p = np.concatenate([np.full(1000, 0.9), np.linspace(0.1, 0.9, 1000)])
    missing = np.full(2000, MISSING)
    frame = table(missing, missing, missing).assign(face=faces, set=["sure"] * 1000 + ["hard"] * 1000)
    threshold = fit_calibration(frame, {"face": np.stack([1 - p, p], axis=1)}).face_threshold
    assert (p[1000:] < threshold).mean() <= REFUSED_FACES


def test_no_validation_rows_fit_nothing(home, faces_folder, saved):
    frame = read_utkface(faces_folder).frame.assign(split="train")
    checkpoint = calibrate(saved, PreparedData(faces_folder, frame.assign(set="faces"), {"faces": "digest"}))
    assert load_calibration(checkpoint) == Calibration(lowest_quality=LOWEST_QUALITY)
