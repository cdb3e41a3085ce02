"""Pictures of an evaluation. Each function returns a figure; nothing opens a window.

Figures are made without pyplot, so that no backend is chosen and none stays in memory.
Colours are Okabe and Ito's, which colour-blind people can tell apart.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from facecli.labels import CLASS_NAMES, MISSING
from facecli.models.readout import age_interval, expected_age
from facecli.training.metrics import calibration_bins

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
STYLE = {
    "figure.dpi": 120,
    "savefig.dpi": 120,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
}
GRID_SIDE = 4


def _figure(width: float, height: float, rows: int = 1, columns: int = 1):
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, axes


def confusion_matrix(head: str, counts: pd.DataFrame) -> Figure:
    """Shares by true class (colour and percent), with counts."""
    figure, axes = _figure(1.2 * len(counts) + 2.4, 1.0 * len(counts) + 1.8)
    axis, values = axes[0, 0], counts.to_numpy()
    share = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axis.grid(False)
    for (row, column), count in np.ndenumerate(values):
        colour = "white" if share[row, column] > 0.55 else "black"
        text = f"{100 * share[row, column]:.0f} %\n{count}"
        axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    axis.set_xticks(range(len(counts)), counts.columns)
    axis.set_yticks(range(len(counts)), counts.index)
    axis.set(xlabel="predicted", ylabel="true", title=f"{head}: share of each true class")
    return figure


def age_scatter(true_age: np.ndarray, guess: np.ndarray) -> Figure:
    """True against predicted age, every face a dot."""
    figure, axes = _figure(5.6, 5.4)
    axis = axes[0, 0]
    axis.scatter(
        true_age + np.random.default_rng(0).uniform(-0.4, 0.4, len(true_age)),
        guess,
        s=5,
        alpha=0.3,
        color=BLUE,
    )
    top = max(true_age.max(), guess.max()) + 2
    axis.plot([0, top], [0, top], color=ORANGE, label="no error")
    axis.plot([0, top], [5, top + 5], color=GREY, lw=0.8, ls="--", label="5 years off")
    axis.plot([5, top], [0, top - 5], color=GREY, lw=0.8, ls="--")
    mae = np.abs(guess - true_age).mean()
    axis.set(xlim=(0, top), ylim=(0, top), xlabel="true age, years", ylabel="predicted age, years")
    axis.set_title(f"age: {mae:.2f} years mean absolute error, {len(guess)} faces")
    axis.legend(loc="upper left")
    return figure


def age_by_decade(by_decade: Mapping[str, Mapping]) -> Figure:
    """Error and bias of each decade with 95 % intervals."""
    figure, axes = _figure(7.5, 4.2)
    axis, names = axes[0, 0], list(by_decade)
    mae = np.array([by_decade[name]["mae"] for name in names])
    interval = np.array([by_decade[name]["mae_ci95"] for name in names]).T
    axis.bar(names, mae, color=BLUE, alpha=0.85, label="mean absolute error, 95 % interval")
    axis.errorbar(names, mae, yerr=np.abs(interval - mae), fmt="none", color="black", capsize=3, lw=1)
    axis.plot(
        names, [by_decade[name]["bias"] for name in names], "o", color=ORANGE, label="bias (predicted - true)"
    )
    axis.axhline(0, color="black", lw=0.8)
    for position, name in enumerate(names):
        axis.annotate(
            f"n={by_decade[name]['count']}",
            (position, interval[1, position]),
            (0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axis.set(xlabel="true age, years", ylabel="years", title="age error by decade")
    axis.legend()
    return figure


def reliability(frame: pd.DataFrame, predicted: Mapping[str, np.ndarray]) -> Figure:
    """Confidence against accuracy for the class heads."""
    heads = [head for head in ("gender", "race") if head in predicted]
    figure, axes = _figure(4.6 * len(heads), 4.4, columns=len(heads))
    for axis, head in zip(axes[0], heads, strict=True):
        known = (frame[head] != MISSING).to_numpy()
        probabilities = predicted[head][known]
        hit = probabilities.argmax(axis=1) == frame[head].to_numpy()[known]
        bins = calibration_bins(hit, probabilities.max(axis=1))
        axis.plot([0, 1], [0, 1], color=GREY, ls="--", label="perfectly calibrated")
        axis.plot(bins["confidence"], bins["accuracy"], "o-", color=BLUE, label=head)
        sizes = bins["count"] / max(bins["count"].sum(), 1)
        axis.bar(bins["confidence"], sizes, width=0.06, color=GREEN, alpha=0.4, label="share of faces")
        axis.set(
            xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy", title=f"{head}: reliability"
        )
        axis.legend(loc="upper left")
    return figure


def learning_curves(history: pd.DataFrame) -> Figure:
    """Loss, age error in years, gender and race accuracy by epoch, as far as there are any."""
    panels = {
        "loss": "loss",
        "age_mae": "age error, years",
        "gender_accuracy": "gender accuracy",
        "race_accuracy": "race accuracy",
    }
    shown = {key: title for key, title in panels.items() if key in history or f"val_{key}" in history}
    figure, axes = _figure(4.2 * len(shown), 3.6, columns=len(shown))
    epochs = np.arange(1, len(history) + 1)
    for axis, (key, title) in zip(axes[0], shown.items(), strict=True):
        for column, colour, name in ((key, BLUE, "training"), (f"val_{key}", ORANGE, "validation")):
            if column in history:
                axis.plot(epochs, history[column], "o-", ms=3, color=colour, label=name)
        axis.set(xlabel="epoch", title=title)
        axis.legend()
    return figure


def prediction_grid(evaluation) -> Figure:
    """Sixteen random faces in true colours, with what was said and what is true."""
    figure, axes = _figure(9.6, 10.8, GRID_SIDE, GRID_SIDE)
    count = len(evaluation.crops)
    rows = np.random.default_rng(0).permutation(count)[: GRID_SIDE**2]
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, row in zip(axes.flat, rows, strict=False):
        axis.imshow(evaluation.crops[row])
        said, true = _caption(evaluation, row)
        axis.set_title(f"{said}\ntrue: {true}", fontsize=8.5, color="black" if said and true else GREY)
    return figure


def _caption(evaluation, row: int) -> tuple[str, str]:
    said, true, labels = [], [], evaluation.frame.iloc[row]
    for head, probabilities in evaluation.predicted.items():
        if head == "age":
            low, high = age_interval(probabilities[row : row + 1])
            said.append(f"{expected_age(probabilities[row]):.0f} ({low[0]}-{high[0]})")
            true.append("?" if labels["age_years"] == MISSING else str(labels["age_years"]))
        else:
            said.append(CLASS_NAMES[head][int(probabilities[row].argmax())])
            true.append("?" if labels[head] == MISSING else CLASS_NAMES[head][labels[head]])
    return ", ".join(said), ", ".join(true)
