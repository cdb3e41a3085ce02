import json

import cv2
import numpy as np
import pandas as pd
import pytest

from facecli.labels import HEAD_CLASSES
from facecli.training.evaluate import evaluate
from facecli.training.report import write_report

ABOUT = {"model": "tiny", "split": "test"}


def frame(count):
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age_years": random.integers(-1, 90, count),
            "gender": random.integers(-1, 2, count),
            "race": random.integers(-1, 5, count),
        }
    )


def guess(heads):
    """A model that draws its answers, the same for the same crop."""

    def predict(crops):
        random = np.random.default_rng(len(crops))
        return {head: random.dirichlet(np.ones(HEAD_CLASSES[head]), len(crops)) for head in heads}

    return predict


def crops(count):
    return np.random.default_rng(1).integers(0, 256, (count, 16, 16, 3), np.uint8)


def test_batches_cover_every_row_once():
    seen = []

    def predict(batch):
        seen.append(len(batch))
        return {"gender": np.tile([0.2, 0.8], (len(batch), 1))}

    evaluation = evaluate(predict, frame(10), crops(10), batch_size=4)
    assert seen == [4, 4, 2]
    assert evaluation.predicted["gender"].shape == (10, 2)
    assert evaluation.heads == ("gender",)


def test_no_rows():
    metrics = evaluate(guess(["age", "race"]), frame(0), crops(0)).metrics
    assert metrics == {"count": 0, "age": {"count": 0}, "race": {"count": 0}}


@pytest.mark.parametrize("heads", [tuple(HEAD_CLASSES), ("age",), ("race",)])
def test_every_file_is_written_and_opens(tmp_path, heads):
    history = pd.DataFrame({"loss": [2, 1], "val_loss": [2.2, 1.5], "val_age_mae": [9, 7]})
    files = write_report(evaluate(guess(heads), frame(60), crops(60)), tmp_path, ABOUT, history)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in files)
    names = {path.name for path in files}
    assert {"metrics.json", "predictions.png", "learning_curves.png", "group_report.csv"} <= names
    assert ("age_report.csv" in names) == ("age" in heads)
    assert ("race_classification_report.csv" in names) == ("race" in heads)
    for path in files:
        if path.suffix == ".png":
            assert cv2.imread(str(path)).std() > 1
        if path.suffix == ".csv":
            assert len(pd.read_csv(path))
    assert json.loads((tmp_path / "metrics.json").read_text())["model"] == "tiny"


def test_a_model_of_which_nothing_is_known_still_has_a_report(tmp_path):
    unknown = pd.DataFrame({"age_years": [-1] * 4, "gender": [-1] * 4, "race": [-1] * 4})
    write_report(evaluate(guess(["age"]), unknown, crops(4)), tmp_path, ABOUT)
    assert json.loads((tmp_path / "metrics.json").read_text())["age"] == {"count": 0}
