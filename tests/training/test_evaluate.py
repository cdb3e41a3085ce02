"""A model meets rows: batches, missing labels, heads that are not there."""

import numpy as np
import pandas as pd
import pytest

from facecli.core.attributes import GENDERS, HEAD_CLASSES
from facecli.models.readout import AgeThresholds, Calibration
from facecli.training.evaluate import evaluate, predict_batches, true_labels


def table(ages, genders, races):
    return pd.DataFrame({"age_years": ages, "gender": genders, "race": races}, index=range(7, 7 + len(ages)))


def perfect(labels, heads):
    """A model that knows each row's labels by the colour of its crop."""

    def predict(crops):
        rows = crops[:, 0, 0, 0]
        return {head: np.eye(HEAD_CLASSES[head])[np.asarray(labels[head])[rows]] for head in heads}

    return predict


def numbered_crops(count):
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 4, 4, 3))


def test_no_rows():
    def predict(crops):
        return {"age": np.zeros((len(crops), 117)), "race": np.zeros((len(crops), 5))}

    found = evaluate(predict, table([], [], []), np.zeros((0, 4, 4, 3), np.uint8))
    assert found.metrics == {"count": 0, "age": {"count": 0}, "race": {"count": 0}}
    assert found.predicted["age"].shape == (0, 117)


@pytest.mark.parametrize("batch_size", [1, 4, 10, 64])
def test_batches_cover_every_row_once_and_in_order(batch_size):
    seen = []

    def predict(batch):
        seen.extend(batch[:, 0, 0, 0].tolist())
        return {"gender": np.tile([0.2, 0.8], (len(batch), 1))}

    predicted = predict_batches(predict, numbered_crops(10), batch_size)
    assert seen == list(range(10))
    assert predicted["gender"].shape == (10, 2)


def test_heads_come_in_the_order_of_the_labels_and_other_outputs_are_left_out():
    def predict(batch):
        return {"race": np.zeros((2, 5)), "embedding": np.zeros((2, 512)), "age": np.zeros((2, 117))}

    assert list(predict_batches(predict, numbered_crops(2), 8)) == ["age", "race"]


def test_missing_labels_do_not_count():
    truth = {"age": [20, 30, 40], "gender": [0, 1, 1], "race": [4, 0, 2]}
    frame = table([20, -1, 40], [0, 1, -1], [-1, -1, -1])
    found = evaluate(perfect(truth, ["age", "gender", "race"]), frame, numbered_crops(3), batch_size=2)
    assert found.metrics["count"] == 3
    assert found.metrics["age"]["count"] == 2
    assert found.metrics["age"]["mae"] == pytest.approx(0)
    assert found.metrics["gender"] == {
        "count": 2, "accuracy": 1, "accuracy_ci95": [1, 1], "macro_f1": 1, "ece": 0, "ece_raw": 0,
        "confusion": [[1, 0], [0, 1]], "skew": {"male": 0, "female": 0},
        "by_class": {name: {"count": 1, "accuracy": 1, "accuracy_ci95": None} for name in GENDERS},
    }  # fmt: skip
    assert found.metrics["race"] == {"count": 0}
    assert found.heads == ("age", "gender", "race")


def test_rows_are_numbered_anew_like_the_crops():
    """Plots look rows up by position; the table of a split keeps the numbers of the whole."""
    truth = {"gender": [0, 1]}
    found = evaluate(perfect(truth, ["gender"]), table([1, 2], [0, 1], [0, 0]), numbered_crops(2))
    assert found.frame.index.tolist() == [0, 1]


def test_a_head_is_measured_when_the_table_has_its_labels():
    emotions = {"emotion": [3, 3, 6]}
    frame = table([-1] * 3, [-1] * 3, [-1] * 3)
    assert true_labels(frame, "emotion").tolist() == [-1] * 3
    without = evaluate(perfect(emotions, ["emotion"]), frame, numbered_crops(3)).metrics
    assert without == {"count": 3, "emotion": {"count": 0}}
    found = evaluate(perfect(emotions, ["emotion"]), frame.assign(emotion=[3, -1, 0]), numbered_crops(3))
    assert (found.metrics["emotion"]["count"], found.metrics["emotion"]["accuracy"]) == (2, 0.5)
    assert {"macro_f1", "ece", "accuracy_ci95"} <= set(found.metrics["emotion"])


def test_predictions_are_calibrated_and_the_error_before_is_kept():
    def predict(crops):
        return {"age": np.eye(117)[[30] * len(crops)], "gender": np.tile([0.1, 0.9], (len(crops), 1))}

    calibration = Calibration({"gender": 3.0}, AgeThresholds((30.0,), (-4.0,), (10.0,)))
    frame = table([34, 36], [1, 0], [0, 0])
    plain = evaluate(predict, frame, numbered_crops(2)).metrics
    found = evaluate(predict, frame, numbered_crops(2), calibration=calibration)
    np.testing.assert_allclose(found.predicted["gender"], calibration.apply(predict([0, 0]))["gender"])
    gender, age = found.metrics["gender"], found.metrics["age"]
    assert gender["ece"] < gender["ece_raw"] == plain["gender"]["ece"] == plain["gender"]["ece_raw"]
    assert gender["accuracy"] == plain["gender"]["accuracy"]
    assert (plain["age"]["coverage_90"], age["coverage_90"], age["coverage_90_raw"]) == (0, 0.5, 0)
    assert age["mae"] == plain["age"]["mae"]
    assert found.calibration == calibration
