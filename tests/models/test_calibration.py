"""Calibration at run time: nothing fitted, right values, damaged ones."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.errors import CheckpointError
from facecli.models.checkpoint import Checkpoint
from facecli.models.readout import (
    IDENTITY,
    AgeThresholds,
    Calibration,
    age_interval,
    expected_age,
    load_calibration,
    temper,
)

THRESHOLDS = AgeThresholds((5.0, 30.0, 80.0), (-1.2, -1.5, -0.8), (1.1, 1.6, 2.4))


def bell(mean, spread=6.0):
    """(1, 117): a normal distribution over years."""
    weights = np.exp(-(((np.arange(117) - mean) / spread) ** 2) / 2)
    return weights[None] / weights.sum()


def checkpoint(tmp_path, config):
    return Checkpoint(tmp_path, {} if config is None else {"calibration": config})


def test_without_calibration_nothing_changes(tmp_path):
    assert load_calibration(checkpoint(tmp_path, None)) == IDENTITY
    outputs = {"gender": np.array([[0.2, 0.8]], np.float32), "age": bell(30)}
    assert all(IDENTITY.apply(outputs)[head] is outputs[head] for head in outputs)
    assert IDENTITY.age_interval(bell(30)) == age_interval(bell(30))


def test_no_faces():
    calibration = Calibration({"gender": 1.5}, THRESHOLDS)
    outputs = {"gender": np.zeros((0, 2), np.float32), "age": np.zeros((0, 117), np.float32)}
    assert {head: values.shape for head, values in calibration.apply(outputs).items()} == {
        "gender": (0, 2),
        "age": (0, 117),
    }
    assert [bound.shape for bound in calibration.age_interval(outputs["age"])] == [(0,), (0,)]


def test_only_heads_with_a_temperature_are_tempered():
    outputs = {"gender": np.array([[0.2, 0.8]], np.float32), "race": np.full((1, 5), 0.2), "age": bell(30)}
    tempered = Calibration({"gender": 2.0}).apply(outputs)
    np.testing.assert_allclose(tempered["gender"], [[1 / 3, 2 / 3]], rtol=1e-6)
    assert tempered["gender"].dtype == np.float32
    assert tempered["race"] is outputs["race"] and tempered["age"] is outputs["age"]


@given(
    st.lists(st.floats(0, 1), min_size=7, max_size=7).filter(lambda row: sum(row) > 0.01), st.floats(0.2, 5)
)
def test_the_five_races_never_contradict_the_seven(weights, temperature):
    seven = (np.array([weights]) / np.sum(weights)).astype(np.float32)
    said = {"race": np.full((1, 5), 0.2, np.float32), "race_7": seven}
    found = Calibration({"race": 4.0, "race_7": temperature}).apply(said)
    np.testing.assert_allclose(found["race_7"], temper(seven, temperature))
    white, black, latino, east, southeast, indian, middle = found["race_7"].T
    folded = np.stack([white, black, east + southeast, indian, latino + middle], axis=1)
    np.testing.assert_allclose(found["race"], folded, atol=1e-6)
    assert found["race"].sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(IDENTITY.apply(said)["race"].sum(), 1, atol=1e-5)


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=7).filter(lambda row: sum(row) > 0.01), st.floats(0.2, 5)
)
def test_tempering_keeps_sums_and_order(weights, temperature):
    row = np.array([weights]) / np.sum(weights)
    tempered = temper(row, temperature)
    assert tempered.sum() == pytest.approx(1)
    assert (np.diff(tempered[0][np.argsort(row[0])]) >= -1e-12).all()
    assert tempered.argmax() == row.argmax() or tempered.max() == pytest.approx(tempered[0, row.argmax()])


@given(st.floats(0.2, 5))
def test_temperature_is_undone_by_its_inverse(temperature):
    row = np.array([[0.05, 0.25, 0.7]])
    np.testing.assert_allclose(temper(temper(row, temperature), 1 / temperature), row, rtol=1e-6)


def test_certain_rows_stay_certain_at_any_temperature():
    row = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    for temperature in (0.01, 1, 3):
        tempered = temper(row, temperature)
        assert np.isfinite(tempered).all() and tempered.argmax(axis=1).tolist() == [1, 0]


def test_interval_by_hand():
    low, high = AgeThresholds((40.0,), (-1.0,), (2.0,)).interval(bell(50, 5))
    assert (low.tolist(), high.tolist()) == ([45], [60])


def test_certain_ages_are_intervals_of_one_year():
    low, high = AgeThresholds((40.0,), (0.0,), (0.0,)).interval(np.eye(117)[[0, 31, 116]])
    assert low.tolist() == high.tolist() == [0, 31, 116]


@given(st.floats(0, 100), st.floats(0, 15), st.floats(2, 15))
def test_both_ends_grow_with_the_expectation_which_lies_between_them(mean, step, spread):
    years = bell(mean, spread)
    expected = expected_age(years)[0]
    low, high = THRESHOLDS.interval(years)
    assert 0 <= low[0] <= round(expected) <= high[0] <= 116
    # The same distribution moved up by whole years has the same spread.
    moved = np.zeros((1, 117))
    moved[:, int(step) :] = years[:, : 117 - int(step)]
    if moved.sum() > 1 - 1e-9:
        moved_low, moved_high = THRESHOLDS.interval(moved)
        assert low[0] <= moved_low[0] and high[0] <= moved_high[0]


def test_config_holds_everything(tmp_path):
    calibration = Calibration({"gender": 1.25, "race": 0.8, "emotion": 2.0}, THRESHOLDS, 0.375)
    config = json.loads(json.dumps(calibration.to_config()))
    assert load_calibration(checkpoint(tmp_path, config)) == calibration
    assert load_calibration(checkpoint(tmp_path, Calibration().to_config())) == IDENTITY
    gate_alone = Calibration(face_threshold=0.5)
    assert load_calibration(checkpoint(tmp_path, gate_alone.to_config())) == gate_alone


GOOD = Calibration({"gender": 1.25}, THRESHOLDS).to_config()


@pytest.mark.parametrize(
    "damaged",
    [
        [],
        "warm",
        {},
        {"temperatures": None},
        {"temperatures": [1.0]},
        {"temperatures": {"gender": 0}},
        {"temperatures": {"gender": -1}},
        {"temperatures": {"gender": "warm"}},
        {"temperatures": {"gender": None}},
        {"temperatures": {"gender": float("nan")}},
        {"temperatures": {"gender": float("inf")}},
        {"temperatures": {"age": 1.0}},
        {"temperatures": {"shoe_size": 1.0}},
        {**GOOD, "face_threshold": -0.1},
        {**GOOD, "face_threshold": 1.1},
        {**GOOD, "face_threshold": float("nan")},
        {**GOOD, "face_threshold": "half"},
        {**GOOD, "age_interval": []},
        {**GOOD, "age_interval": {"level": 0.9}},
        *(
            {**GOOD, "age_interval": {**GOOD["age_interval"], **change}}
            for change in (
                {"level": 0.5},
                {"ages": []},
                {"ages": [5, 80, 30]},
                {"ages": [5, 5, 80]},
                {"low": [-1, -1]},
                {"low": [-1, -1, 0.1]},
                {"high": [1, 1, -0.1]},
                {"high": [1, 1, float("nan")]},
                {"high": [1, 1, "wide"]},
                {"high": 3},
            )
        ),
    ],
)
def test_damaged_calibration_is_refused_in_one_line(tmp_path, damaged):
    with pytest.raises(CheckpointError, match="config.json: the calibration is damaged") as found:
        load_calibration(checkpoint(tmp_path, damaged))
    assert "\n" not in str(found.value)
