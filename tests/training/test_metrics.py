"""Numbers that can be checked by hand, and what is said about nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.training import metrics
from facecli.training.bootstrap import mean_interval


def ages(*years):
    return np.eye(117)[list(years)]


def classes(count, *ids, confidence=0.9):
    rows = np.full((len(ids), count), (1 - confidence) / (count - 1))
    rows[np.arange(len(ids)), ids] = confidence
    return rows


def test_nothing_known_is_a_count_of_zero():
    assert metrics.age_metrics(np.array([-1, -1]), ages(3, 4)) == {"count": 0}
    assert metrics.age_metrics(np.zeros(0, int), np.zeros((0, 117))) == {"count": 0}
    assert metrics.class_metrics(np.array([-1]), classes(2, 0)) == {"count": 0}


def test_age_errors_by_hand():
    found = metrics.age_metrics(np.array([20, 30, 40, -1]), ages(22, 30, 30, 99))
    assert found["count"] == 3
    assert found["mae"] == pytest.approx(4)
    assert found["bias"] == pytest.approx(-8 / 3)
    assert found["rmse"] == pytest.approx(np.sqrt(104 / 3))
    assert found["within_5"] == pytest.approx(2 / 3)
    assert found["coverage_90"] == pytest.approx(1 / 3)
    assert list(found["by_decade"]) == ["20-29", "30-39", "40-49"]
    forties = found["by_decade"]["40-49"]
    assert (forties["count"], forties["mae"], forties["bias"], forties["within_5"]) == pytest.approx(
        (1, 10, -10, 0)
    )
    assert forties["mae_ci95"] == pytest.approx([10, 10])


def test_accuracy_counts_labelled_rows():
    found = metrics.class_metrics(np.array([0, 1, 1, -1]), classes(2, 0, 1, 0, 0))
    assert found["count"] == 3
    assert found["accuracy"] == pytest.approx(2 / 3)
    low, high = found["accuracy_ci95"]
    assert 0 <= low <= 2 / 3 <= high <= 1


def test_calibration_error_by_hand():
    hit = np.array([True, True, False, False])
    assert metrics.calibration_error(hit, np.full(4, 0.5)) == pytest.approx(0)
    assert metrics.calibration_error(hit, np.full(4, 0.9)) == pytest.approx(0.4)
    assert metrics.calibration_error(np.zeros(0, bool), np.zeros(0)) == 0


def test_report_and_confusion_name_every_class():
    true, predicted = np.array([0, 1, 2, -1]), classes(5, 0, 1, 1, 1)
    report = metrics.class_report("race", true, predicted)
    assert report["class"].tolist()[:5] == ["white", "black", "asian", "indian", "other"]
    assert report["support"].tolist()[:5] == [1, 1, 1, 0, 0]
    counts = metrics.confusion("race", true, predicted)
    assert counts.loc["asian", "black"] == 1
    assert counts.to_numpy().sum() == 3


def test_groups_have_counts_and_leave_out_missing_labels():
    labels = {"age_years": [5, 8, 75, 30], "gender": [0, 0, 1, -1], "race": [2, 2, 0, 0]}
    predicted = {"age": ages(6, 10, 65, 30), "gender": classes(2, 0, 1, 1, 1)}
    table = metrics.group_report(labels, predicted)
    assert table[["gender", "race", "age_band", "count"]].to_numpy().tolist() == [
        ["male", "asian", "0-12", 2],
        ["female", "white", "70+", 1],
    ]
    assert table["age_mae"].tolist() == [1.5, 10]
    assert table["bias"].tolist() == [1.5, -10]
    assert table["gender_accuracy"].tolist() == [0.5, 1]
    assert "race_accuracy" not in table


def test_no_groups():
    empty = {"age_years": [], "gender": [], "race": []}
    assert metrics.group_report(empty, {"age": ages()[:0]}).empty


def test_interval_of_nothing_and_of_one_value():
    assert np.isnan(mean_interval([])).all()
    assert mean_interval([3.0] * 5) == (3.0, 3.0)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=50))
def test_interval_lies_within_the_sample(values):
    low, high = mean_interval(values, resamples=50)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    assert mean_interval(values, resamples=50) == (low, high)
