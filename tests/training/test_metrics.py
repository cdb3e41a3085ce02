"""Numbers that can be checked by hand, and what is said about nothing."""

import json

import numpy as np
import pytest

from facecli.core.attributes import RACES
from facecli.training import metrics


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
    assert found["coverage_90"] == found["coverage_90_raw"] == pytest.approx(1 / 3)
    assert found["coverage_90_by_band"] == {"20-39": 0.5, "40-59": 0.0}
    assert found["width_90"] == 0
    assert found["cumulative"] == pytest.approx(
        {"1": 1 / 3, "2": 2 / 3, "3": 2 / 3, "5": 2 / 3, "10": 1, "15": 1}
    )
    assert list(found["by_decade"]) == ["20-29", "30-39", "40-49"]
    forties = found["by_decade"]["40-49"]
    assert (forties["count"], forties["mae"], forties["bias"], forties["within_5"]) == pytest.approx(
        (1, 10, -10, 0)
    )
    assert forties["rmse"] == pytest.approx(10)
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
    report = metrics.class_report(RACES, true, predicted)
    assert report["class"].tolist()[:5] == ["white", "black", "asian", "indian", "other"]
    assert report["support"].tolist()[:5] == [1, 1, 1, 0, 0]
    counts = metrics.confusion_counts(RACES, true, predicted)
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


@pytest.mark.parametrize("true", [[30], [30, 30]])
def test_no_r2_where_it_has_no_meaning(true):
    """One age alone has no variance; NaN would be no JSON."""
    found = metrics.age_metrics(np.array(true), ages(*[33] * len(true)))
    assert found["r2"] is None
    json.dumps(found, allow_nan=False)


def test_macro_f1_leaves_out_classes_that_do_not_occur():
    assert metrics.class_metrics(np.array([0, 1]), classes(5, 0, 1))["macro_f1"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("age", "band"),
    [(0, "0-12"), (12, "0-12"), (13, "13-19"), (19, "13-19"), (20, "20-39"), (59, "40-59"), (60, "60-69"),
     (69, "60-69"), (70, "70+"), (116, "70+")],
)  # fmt: skip
def test_edges_of_the_age_bands(age, band):
    table = metrics.group_report({"age_years": [age], "gender": [0], "race": [0]}, {"age": ages(age)})
    assert table["age_band"].tolist() == [band]


def test_a_handful_of_faces_has_no_interval():
    labels = {"age_years": [5] * 9 + [30] * 10, "gender": [0] * 19, "race": [0] * 19}
    table = metrics.group_report(labels, {"age": ages(*[6] * 19)})
    assert table["count"].tolist() == [9, 10]
    assert table["age_mae_low"].isna().tolist() == [True, False]
    assert table["age_mae"].tolist() == [1, 24]
