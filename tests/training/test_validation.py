import numpy as np

from facecli.core.attributes import GENDERS
from facecli.training.epochs import encoded_figures, epoch_logs
from facecli.training.metrics import AgeFigures, class_figures
from facecli.training.prepare import build_targets


def sure(classes, *answers):
    return np.eye(classes, dtype="float32")[list(answers)]


def test_without_a_label_there_are_no_figures():
    assert encoded_figures({}, {}) == {} and epoch_logs({}) == {}


def test_encoded_labels_give_the_same_figures():
    labels = {"age_years": [30, -1], "age_low": [-1, 3], "age_high": [-1, 9], "gender": [1, -1]}
    targets = build_targets(labels, ("age", "gender", "race"))
    predicted = {"age": sure(117, 31, 12), "gender": sure(2, 1, 0), "race": sure(5, 0, 0)}
    found = encoded_figures(targets, predicted)
    assert list(found) == ["age", "gender"]
    assert found["age"] == AgeFigures(count=2, mae=1.0, in_bin=0.0, outside=3.0)
    assert found["gender"].count == 1


def test_an_epoch_is_judged_by_the_mean_over_sets_that_have_labels():
    def gender(*answers):
        return {"gender": class_figures(GENDERS, np.array([0, 1]), sure(2, *answers))}

    logs = epoch_logs({"small": gender(0, 1), "large": gender(0, 0), "none": {}})
    assert logs["val_small_gender_accuracy"] == 1 and logs["val_large_gender_female"] == 0
    assert logs["val_gender_accuracy"] == 0.75
    assert "val_small_gender_accuracy" not in epoch_logs({"small": gender(0, 1)})
