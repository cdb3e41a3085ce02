import numpy as np
import pytest
from keras import ops

from facecli.training.losses import (
    Accuracy,
    AgeLoss,
    AgeMAE,
    ClassLoss,
    CosineDistance,
    head_loss,
    head_metric,
)
from facecli.training.targets import encode_age, encode_age_bins, encode_classes


def number(tensor):
    return float(ops.convert_to_numpy(tensor))


def ages(*years):
    return np.eye(117, dtype="float32")[list(years)]


def test_rows_without_a_label_add_nothing():
    missing = np.array([-1, -1])
    assert number(AgeLoss()(encode_age(missing), ages(3, 90))) == pytest.approx(0, abs=1e-6)
    assert number(ClassLoss()(encode_classes(missing, 2), np.full((2, 2), 0.5, "float32"))) == 0


def test_a_better_guess_costs_less():
    truth = encode_age(np.array([30]))
    costs = [number(AgeLoss()(truth, 0.9 * ages(guess) + 0.1 / 117)) for guess in (30, 35, 60)]
    assert costs == sorted(costs)
    gender = encode_classes(np.array([1]), 2)
    right, wrong = (np.array([[1 - p, p]], "float32") for p in (0.9, 0.1))
    assert number(ClassLoss()(gender, right)) < number(ClassLoss()(gender, wrong))


def test_certainty_of_the_wrong_class_is_finite():
    loss = number(ClassLoss()(encode_classes(np.array([0]), 2), np.array([[0.0, 1.0]], "float32")))
    assert np.isfinite(loss)


@pytest.mark.parametrize(("student", "distance"), [([2.0, 0], 0), ([0.0, 1], 1), ([-3.0, 0], 2)])
def test_cosine_distance(student, distance):
    teacher = np.array([[1.0, 0]], "float32")
    assert number(CosineDistance()(teacher, np.array([student], "float32"))) == pytest.approx(
        distance, abs=1e-6
    )


def test_metrics_count_labelled_rows_only():
    mae = AgeMAE()
    mae.update_state(encode_age(np.array([30, -1, 10])), ages(33, 90, 11))
    assert number(mae.result()) == pytest.approx(2)
    accuracy = Accuracy()
    accuracy.update_state(encode_classes(np.array([1, 0, -1]), 2), np.array([[0.1, 0.9]] * 3, "float32"))
    assert number(accuracy.result()) == pytest.approx(0.5)


def test_metrics_without_any_row():
    assert number(AgeMAE().result()) == 0


def test_heads_by_name():
    assert isinstance(head_loss("age"), AgeLoss)
    assert isinstance(head_loss("race"), ClassLoss)
    assert head_metric("age").name == "mae"


def test_within_an_age_bin_no_year_is_better_than_another():
    truth = encode_age_bins(np.array([20]), np.array([29]))
    low, high, outside = (number(AgeLoss()(truth, 0.5 * ages(guess) + 0.5 / 117)) for guess in (21, 28, 40))
    assert low == pytest.approx(high, rel=1e-5) and low < outside
    metric = AgeMAE()
    metric.update_state(truth, ages(21))
    assert number(metric.result()) == 0
