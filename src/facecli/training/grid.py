"""Sixteen faces with what a model said of them and what is true."""

import numpy as np
from matplotlib.figure import Figure

from facecli.labels import CLASS_NAMES, MISSING
from facecli.models.readout import expected_age
from facecli.training.evaluate import Evaluation, true_labels
from facecli.training.style import GREY, ORANGE, new_figure, styled

GRID_SIDE = 4
FAR_OFF_YEARS = 10


@styled
def prediction_grid(evaluation: Evaluation, seed: int = 0) -> Figure:
    """Sixteen random faces in true colours; a row with an error is written in orange.

    The true label stands below the predicted one, "?" where it is missing.
    """
    figure, axes = new_figure(9.6, 11, GRID_SIDE, GRID_SIDE)
    rows = np.random.default_rng(seed).permutation(len(evaluation.crops))[: GRID_SIDE**2]
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, row in zip(axes.flat, rows, strict=False):
        said, true, wrong = _caption(evaluation, row)
        axis.imshow(evaluation.crops[row])
        colour = ORANGE if wrong else "black"
        axis.set_title(f"{said}\ntrue: {true}", fontsize=9, fontweight="normal", color=colour)
    figure.suptitle(
        f"predicted and true, random faces; orange: a wrong class or {FAR_OFF_YEARS} years off and more",
        fontsize=10,
        color=GREY,
    )
    return figure


def _caption(evaluation: Evaluation, row: int) -> tuple[str, str, bool]:
    """(predicted labels, true labels, whether a known label was missed)."""
    said, true, wrong, shown = [], [], False, evaluation.frame.iloc[[row]]
    for head, probabilities in evaluation.predicted.items():
        label = int(true_labels(shown, head)[0])
        known = label != MISSING
        if head == "age":
            guess = float(expected_age(probabilities[row]))
            low, high = evaluation.calibration.age_interval(probabilities[row])
            said.append(f"{guess:.0f} ({low}-{high})")
            true.append(str(label) if known else "?")
            wrong |= known and abs(guess - label) >= FAR_OFF_YEARS
        else:
            guess = int(probabilities[row].argmax())
            said.append(CLASS_NAMES[head][guess])
            true.append(CLASS_NAMES[head][label] if known else "?")
            wrong |= known and guess != label
    return ", ".join(said), ", ".join(true), wrong
