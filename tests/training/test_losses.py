import numpy as np
import pytest
from keras import ops

from facecli.training.losses import (
    Accuracy,
    AgeLoss,
    AgeMAE,
    ClassLoss,
    CosineDistance,
    head_metric,
    output_loss,
    output_weight,
    years_outside,
)
from facecli.training.prepare import NO_AGE, encode_age, encode_age_bins, encode_classes


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
    assert isinstance(output_loss("age"), AgeLoss)
    assert isinstance(output_loss("race_7"), ClassLoss)
    assert isinstance(output_loss("embedding"), CosineDistance)
    assert output_weight("race", 4.0) > output_weight("race_7", 4.0)
    assert output_weight("embedding", 4.0) == 4
    assert head_metric("age").name == "mae"


def spread(low, high):
    """One distribution, as much on each year from low to high and a little elsewhere."""
    share = np.zeros((1, 117), "float32")
    share[:, low : high + 1] = 1 / (high - low + 1)
    return 0.98 * share + 0.02 / 117


def test_a_bin_is_learnt_as_the_probability_of_the_whole():
    truth = encode_age_bins(np.array([20]), np.array([29]))
    whole, tight, outside = (
        number(AgeLoss()(truth, spread(*years))) for years in ((20, 29), (24, 25), (40, 49))
    )
    certain = -0.9 * np.log(spread(20, 29)[:, 20:30].sum())
    assert whole == pytest.approx(certain - 0.1 * np.log(0.098 + 0.02 / 117), rel=1e-3)
    # Whoever is sure of a year inside loses a tenth of what such sureness costs where a year is known.
    sureness = np.mean(np.log(spread(20, 29)) - np.log(spread(24, 25)), where=spread(20, 29) > 0.01)
    assert tight == pytest.approx(whole + 0.1 * sureness, abs=0.01)
    assert outside > tight + 2


def test_the_expectation_is_drawn_into_the_bin_and_no_further():
    inside = encode_age_bins(np.array([20]), np.array([29]))[:, :-1] > 0
    found = [
        number(years_outside(inside.astype("float32"), ages(guess))[0]) for guess in (10, 20, 25, 29, 33)
    ]
    assert found == pytest.approx([10, 0, 0, 0, 4])


def test_a_distribution_without_years_is_learnt_as_it_is():
    truth = np.concatenate([spread(30, 39), [[NO_AGE]]], axis=1).astype("float32")
    costs = [number(AgeLoss()(truth, spread(*years))) for years in ((30, 39), (30, 34), (60, 69))]
    assert costs == sorted(costs)


def test_years_of_a_bin_are_not_errors_of_an_age():
    truth = encode_age_bins(np.array([20]), np.array([29]))
    metric = AgeMAE()
    metric.update_state(truth, ages(21))
    assert number(metric.result()) == 0


def test_heads_may_weigh_otherwise_and_features_stay():
    assert output_weight("gender", 4.0, {"gender": 0.5}) == 0.5
    assert output_weight("age", 4.0, {"gender": 0.5}) == 1.0
    assert output_weight("embedding", 4.0, {"gender": 0.5}) == 4.0
