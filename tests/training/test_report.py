import json
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest

from facecli.core.attributes import HEAD_CLASSES
from facecli.core.errors import OutputError
from facecli.training import plots
from facecli.training.evaluate import evaluate
from facecli.training.plots import ORANGE, prediction_grid
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


@pytest.mark.parametrize("heads", [tuple(HEAD_CLASSES), ("age",), ("race",)])
def test_every_file_is_written_and_opens(tmp_path, heads):
    history = pd.DataFrame({"loss": [2, 1], "val_loss": [2.2, 1.5], "val_age_mae": [9, 7]})
    files = write_report(evaluate(guess(heads), frame(60), crops(60)), tmp_path, ABOUT, history)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in files)
    names = {path.name for path in files}
    assert {"metrics.json", "predictions.png", "learning_curves.png", "group_report.csv"} <= names
    assert ({"age_report.csv", "age_bands.csv"} <= names) == ("age" in heads)
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


def test_no_rows_and_no_history_have_a_report(tmp_path):
    files = write_report(evaluate(guess(["age", "gender"]), frame(0), crops(0)), tmp_path, ABOUT)
    assert [path.name for path in files] == ["metrics.json"]


def test_a_history_without_known_curves_draws_none(tmp_path):
    history = pd.DataFrame({"epoch": [1], "learning_rate": [0.1]})
    files = write_report(evaluate(guess(["gender"]), frame(5), crops(5)), tmp_path, ABOUT, history)
    assert "learning_curves.png" not in {path.name for path in files}


def test_metrics_are_strict_json(tmp_path):
    one_age = pd.DataFrame({"age_years": [30] * 3, "gender": [0] * 3, "race": [-1] * 3})
    write_report(evaluate(guess(HEAD_CLASSES), one_age, crops(3)), tmp_path, ABOUT)
    text = (tmp_path / "metrics.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["age"]["r2"] is None


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="metrics.json"):
        write_report(evaluate(guess(["age"]), frame(3), crops(3)), tmp_path / "file", ABOUT)


def test_the_grid_shows_true_colours_and_marks_errors():
    """A red RGB crop is red in the figure; the caption of a missed row is not black."""
    red = np.zeros((2, 8, 8, 3), np.uint8)
    red[..., 0] = 255
    labels = pd.DataFrame({"age_years": [30, 30], "gender": [0, 1], "race": [-1, -1]})
    evaluation = evaluate(lambda batch: {"gender": np.array([[0.9, 0.1]] * 2)}, labels, red)
    axes = [axis for axis in prediction_grid(evaluation).axes if axis.images]
    assert all((axis.images[0].get_array()[0, 0] == [255, 0, 0]).all() for axis in axes)
    found = {axis.get_title(): axis.title.get_color() for axis in axes}
    assert found == {"male\ntrue: male": "black", "male\ntrue: female": ORANGE}


@pytest.mark.parametrize("count", [3, plots.DENSITY_FROM + 1])
def test_ages_are_dots_or_a_density(count):
    true = np.random.default_rng(0).integers(0, 90, count)
    figure = plots.age_scatter(true, true + 2.0)
    assert len(figure.axes) == (2 if count > plots.DENSITY_FROM else 1)
    assert "2.00 years" in figure.axes[0].get_title()


def test_curves_show_what_labels_taught():
    bins = pd.DataFrame({"loss": [2.0], "age_mae": [0.0], "val_loss": [2.0], "val_age_in_bin": [0.5]})
    titles = [axis.get_title() for axis in plots.learning_curves(bins).axes]
    assert titles == ["loss", "age in its bin"]
    years = pd.DataFrame({"loss": [2.0], "age_mae": [5.0]})
    assert [axis.get_title() for axis in plots.learning_curves(years).axes if axis.get_title()] == [
        "loss",
        "age error, years",
    ]


def test_no_plot_needs_a_display_or_pyplot():
    # Keras itself imports pyplot where matplotlib is installed: what needs Keras is left out.
    code = "import sys, facecli.training.report; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_emotions_without_labels_are_drawn_and_not_counted(tmp_path):
    """Faces of UTKFace shown to a model that reads emotions, too."""
    faces = pd.DataFrame({"age_years": [20, 30], "gender": [0, 1], "race": [0, 1]})

    def predict(crops):
        return {"age": np.eye(117)[[20] * len(crops)], "emotion": np.full((len(crops), 7), 1 / 7)}

    found = evaluate(predict, faces, np.zeros((2, 8, 8, 3), np.uint8))
    names = {path.name for path in write_report(found, tmp_path, {})}
    assert "predictions.png" in names and "emotion_classification_report.csv" not in names
