"""Pictures of an evaluation. Each function returns a figure; nothing opens a window."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from facecli.labels import CLASS_NAMES, MISSING
from facecli.training.evaluate import true_labels
from facecli.training.metrics import CALIBRATION_BINS, calibration_bins, calibration_error
from facecli.training.style import BLUE, GREEN, GREY, ORANGE, new_figure, styled

DENSITY_FROM = 500
"""More faces than that are drawn as a density: dots would cover each other."""
FEW_FACES = 10
"""A bin of fewer says nothing about calibration; it is drawn pale and apart."""
CURVES = {
    "loss": "loss",
    "age_mae": "age error, years",
    **{f"{head}_accuracy": f"{head} accuracy" for head in CLASS_NAMES},
}
"""Column of the history -> title, in the order in which they are drawn."""


@styled
def confusion_matrix(head: str, counts: pd.DataFrame) -> Figure:
    """Shares by true class (colour and percent), with counts."""
    figure, axes = new_figure(1.1 * len(counts) + 1.6, 0.95 * len(counts) + 1.5)
    axis, values = axes[0, 0], counts.to_numpy()
    share = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axis.grid(False)
    for (row, column), count in np.ndenumerate(values):
        colour = "white" if share[row, column] > 0.55 else "black" if count else GREY
        text = f"{100 * share[row, column]:.0f} %\n{count:,}"
        axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    axis.set_xticks(range(len(counts)), counts.columns)
    axis.set_yticks(range(len(counts)), counts.index)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set(xlabel="predicted", ylabel="true", title=f"{head}: share of each true class")
    return figure


@styled
def age_scatter(true_age: np.ndarray, guess: np.ndarray) -> Figure:
    """True against predicted age: every face a dot, or their density when there are many."""
    figure, axes = new_figure(6.2, 5.6)
    axis = axes[0, 0]
    top = float(max(true_age.max(), guess.max())) + 3
    if len(true_age) > DENSITY_FROM:
        cells = axis.hexbin(
            true_age,
            guess,
            gridsize=int(top // 2.5),
            extent=(0, top, 0, top),
            mincnt=1,
            # From below one face, so that a cell of one is not white.
            norm=LogNorm(vmin=0.2),
            cmap="Blues",
            linewidths=0.1,
        )
        bar = figure.colorbar(cells, ax=axis, label="faces in a cell", pad=0.01, format="%d")
        bar.ax.set_ylim(1, max(float(cells.get_array().max()), 2.0))
    else:
        axis.scatter(true_age, guess, s=9, alpha=0.5, color=BLUE, linewidths=0)
    axis.plot([0, top], [0, top], color=ORANGE, lw=1.5, label="no error")
    for off, label in ((5, "5 years off"), (-5, None)):
        axis.plot([0, top], [off, top + off], color="black", lw=0.9, ls="--", label=label)
    axis.set(xlim=(0, top), ylim=(0, top), xlabel="true age, years", ylabel="predicted age, years")
    axis.set_aspect("equal")
    mae = np.abs(guess - true_age).mean()
    axis.set_title(f"age: {mae:.2f} years mean absolute error, {len(guess):,} faces")
    axis.legend(loc="upper left")
    return figure


@styled
def age_by_decade(by_decade: Mapping[str, Mapping]) -> Figure:
    """Error and bias of each decade with 95 % intervals."""
    figure, axes = new_figure(7.5, 4.4)
    axis, names = axes[0, 0], list(by_decade)
    mae = np.array([by_decade[name]["mae"] for name in names])
    interval = np.array([by_decade[name]["mae_ci95"] for name in names]).T
    axis.bar(names, mae, color=BLUE, alpha=0.75, label="mean absolute error, 95 % interval")
    axis.errorbar(names, mae, yerr=np.abs(interval - mae), fmt="none", color="black", capsize=3, lw=1)
    bias = [by_decade[name]["bias"] for name in names]
    axis.plot(names, bias, "D", ms=6, color=ORANGE, mec="white", label="bias (predicted - true)")
    axis.axhline(0, color="black", lw=0.8)
    for position, name in enumerate(names):
        axis.annotate(
            f"n = {by_decade[name]['count']:,}",
            (position, interval[1, position]),
            (0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axis.grid(False, axis="x")
    axis.set(xlabel="true age, years", ylabel="years", title="age error by decade")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@styled
def reliability(frame: pd.DataFrame, predicted: Mapping[str, np.ndarray]) -> Figure:
    """Confidence against accuracy, with the expected calibration error; a panel a class head.

    Args:
        frame: n rows with the heads' columns (`labels.LABEL_COLUMNS`), -1 where missing.
        predicted: head -> (n, classes) probabilities; at least one class head with known labels.
    """
    known = {head: true_labels(frame, head) != MISSING for head in CLASS_NAMES if head in predicted}
    heads = [head for head, rows in known.items() if rows.any()]
    figure, axes = new_figure(4.8 * len(heads), 4.8, columns=len(heads))
    for axis, head in zip(axes[0], heads, strict=True):
        probabilities = predicted[head][known[head]]
        hit = probabilities.argmax(axis=1) == true_labels(frame, head)[known[head]]
        error = calibration_error(hit, probabilities.max(axis=1))
        _reliability_panel(axis, calibration_bins(hit, probabilities.max(axis=1)))
        axis.set_title(f"{head}: calibration error {error:.3f}")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _reliability_panel(axis, bins: pd.DataFrame) -> None:
    share = bins["count"] / max(bins["count"].sum(), 1)
    solid, pale = bins[bins["count"] >= FEW_FACES], bins[bins["count"] < FEW_FACES]
    axis.plot([0, 1], [0, 1], color=GREY, ls="--", label="perfectly calibrated")
    centre = (bins["bin"] + 0.5) / CALIBRATION_BINS
    axis.bar(centre, share, width=0.9 / CALIBRATION_BINS, color=GREEN, alpha=0.4, label="share of faces")
    axis.plot(solid["confidence"], solid["accuracy"], "o-", color=BLUE, label="accuracy")
    axis.plot(
        pale["confidence"],
        pale["accuracy"],
        "o",
        color=BLUE,
        mfc="white",
        label=f"accuracy of fewer than {FEW_FACES} faces",
    )
    axis.set(xlim=(0, 1), ylim=(-0.02, 1.02), xlabel="confidence", ylabel="accuracy; share of faces")


@styled
def learning_curves(history: pd.DataFrame) -> Figure | None:
    """Loss, age error in years and class heads' accuracy by epoch; None when there are none."""
    shown = {key: title for key, title in CURVES.items() if {key, f"val_{key}"} & set(history)}
    if not shown:
        return None
    columns = min(len(shown), 2)
    rows = -(-len(shown) // columns)
    figure, axes = new_figure(4.6 * columns, 3.1 * rows + 0.4, rows, columns)
    epochs = np.arange(1, len(history) + 1)
    for axis in axes.flat[len(shown) :]:
        axis.set_axis_off()
    for axis, (key, title) in zip(axes.flat, shown.items(), strict=False):
        for column, colour, name in ((key, BLUE, "training"), (f"val_{key}", ORANGE, "validation")):
            if column in history:
                axis.plot(epochs, history[column], "o-", ms=3, color=colour, label=name)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set(xlabel="epoch", title=title)
        if key.endswith("accuracy"):
            axis.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axis.legend()
    return figure
