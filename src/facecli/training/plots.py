"""Pictures of an evaluation, in one look. Each function returns a figure; nothing opens a window.

Figures are made without pyplot, so that no backend is chosen and none stays in memory.
Colours are Okabe and Ito's (2008), which colour-blind people can tell apart.
"""

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from facecli.core.arrays import Array
from facecli.core.attributes import CLASS_NAMES, MISSING
from facecli.models.readout import expected_age
from facecli.training.evaluate import FEWEST_FACES, MEASURES, SHARES, Evaluation, true_labels
from facecli.training.metrics import CALIBRATION_BINS, calibration_bins, calibration_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.typing import RcKeyType


_Given = ParamSpec("_Given")
_Drawn = TypeVar("_Drawn")

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
STYLE: "dict[RcKeyType, Any]" = {
    "figure.dpi": 120,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
}

GRID_SIDE = 4
FAR_OFF_YEARS = 10

TITLES = {
    "age_mae": "age error, years",
    "bias": "bias, years\n(predicted - true)",
    "age_in_bin": "age in its bin",
    "gender_accuracy": "gender accuracy",
    "race_accuracy": "race accuracy",
    "race_7_accuracy": "race accuracy,\nseven classes",
}
LOOKS = {
    "all": ("black", "D"),
    "gender": (ORANGE, "o"),
    "race": (BLUE, "s"),
    "race_7": (BLUE, "s"),
    "age_band": (GREEN, "^"),
    "gender x race": (BLUE, "s"),
    "gender x race_7": (BLUE, "s"),
    "gender x age_band": (GREEN, "^"),
}
"""Slice -> colour and marker; faces divided by all three are too many for a picture."""
_LINE_INCHES, _GAP_LINES = 0.21, 0.8

DENSITY_FROM = 500
"""More faces than that are drawn as a density: dots would cover each other."""
FEW_FACES = 10
"""A bin of fewer says nothing about calibration; it is drawn pale and apart."""
CURVES = {
    "loss": "loss",
    "age_mae": "age error, years",
    "age_in_bin": "age in its bin",
    **{f"{head}_accuracy": f"{head} accuracy" for head in CLASS_NAMES},
}
"""Column of the history -> title, in the order in which they are drawn."""


def plot_style(draw: Callable[_Given, _Drawn]) -> Callable[_Given, _Drawn]:
    """Decorator: everything that the function draws, legends and texts too, has the style."""

    @functools.wraps(draw)
    def in_style(*arguments: _Given.args, **options: _Given.kwargs) -> _Drawn:
        with rc_context(STYLE):
            return draw(*arguments, **options)

    return in_style


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, Array]:
    """A figure of `width` x `height` inches and its (rows, columns) array of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


@plot_style
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
            said.append(evaluation.classes[head][guess])
            true.append(evaluation.classes[head][label] if known else "?")
            wrong |= known and guess != label
    return ", ".join(said), ", ".join(true), wrong


@plot_style
def fairness_plot(table: pd.DataFrame) -> Figure:
    """Every measure in a panel, the groups of `fairness_table` (not empty) one below another.

    Groups of fewer than FEWEST_FACES are hollow, those too small for an interval have none.
    """
    shown = table[table["slice"].isin(list(LOOKS))].reset_index(drop=True)
    changes = (shown["slice"] != shown["slice"].shift()).cumsum() - 1
    y = np.arange(len(shown)) + _GAP_LINES * changes.to_numpy()
    measures = [measure for measure in MEASURES if measure in shown]
    height = _LINE_INCHES * (y[-1] + 1) + 1.6
    figure, axes = new_figure(2.2 + 2.5 * len(measures), height, columns=len(measures))
    for axis, measure in zip(axes[0], measures, strict=True):
        _panel(axis, measure, shown, y)
    labels = [f"{group}  ({count:,})" for group, count in zip(shown["group"], shown["count"], strict=True)]
    axes[0, 0].set_yticks(y, labels)
    for axis in axes[0, 1:]:
        axis.set_yticks(y, [""] * len(y))
    figure.suptitle("errors by group, with 95 % intervals (faces in brackets)", fontweight="bold")
    figure.supxlabel(
        f"dashed: everybody; hollow: fewer than {FEWEST_FACES} faces, read with care", fontsize=9, color=GREY
    )
    return figure


def _panel(axis: "Axes", measure: str, shown: pd.DataFrame, y: Array) -> None:
    for slice_name, part in shown.groupby("slice", sort=False):
        colour, marker = LOOKS[str(slice_name)]
        values, low, high = (part[f"{measure}{end}"].to_numpy() for end in ("", "_low", "_high"))
        at = y[part.index]
        axis.hlines(at, low, high, color=colour, lw=1.4)
        for solid in (True, False):
            chosen = (part[f"{measure}_count"] >= FEWEST_FACES).to_numpy() == solid
            face = colour if solid else "white"
            axis.plot(values[chosen], at[chosen], marker, ms=5.5, color=colour, mfc=face)
    axis.axvline(shown[measure].iloc[0], color="black", lw=0.9, ls="--", zorder=0)
    if measure == "bias":
        axis.axvline(0, color=GREY, lw=0.9, zorder=0)
    if measure in SHARES:
        axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.set(title=TITLES[measure], ylim=(y[-1] + 0.7, -0.7))
    axis.tick_params(axis="y", length=0)


@plot_style
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


@plot_style
def age_scatter(true_age: Array, guess: Array) -> Figure:
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


@plot_style
def age_by_decade(by_decade: Mapping[str, Mapping[str, Any]]) -> Figure:
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


@plot_style
def reliability(frame: pd.DataFrame, predicted: Mapping[str, Array]) -> Figure:
    """Confidence against accuracy, with the expected calibration error; a panel a class head.

    Args:
        frame: n rows with the heads' columns (`core.attributes.LABEL_COLUMNS`), -1 where missing.
        predicted: head -> (n, classes) probabilities; at least one class head with known labels.
    """
    known = {head: true_labels(frame, head) != MISSING for head in predicted if head not in ("age", "face")}
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


def _reliability_panel(axis: "Axes", bins: pd.DataFrame) -> None:
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


@plot_style
def learning_curves(history: pd.DataFrame) -> Figure | None:
    """Loss, age error in years and class heads' accuracy by epoch; None when there are none."""
    validated = any(str(column).startswith("val_") for column in history)
    # No label taught what validation does not measure: its training column holds zeros.
    shown = {key: title for key, title in CURVES.items() if (f"val_{key}" if validated else key) in history}
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
        if key.endswith(("accuracy", "in_bin")):
            axis.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axis.legend()
    return figure


@plot_style
def epoch_plot(table: pd.DataFrame) -> Figure:
    """Every measure of `report.write_epochs` (not empty) in a panel, by epoch with its 95 % interval.

    The dashed line is the epoch that training held for the best.
    """
    parts = list(table.groupby("measure", sort=False))
    columns = min(len(parts), 2)
    rows = -(-len(parts) // columns)
    figure, axes = new_figure(4.6 * columns, 3.1 * rows + 0.4, rows, columns)
    for axis in axes.flat[len(parts) :]:
        axis.set_axis_off()
    for axis, (measure, part) in zip(axes.flat, parts, strict=False):
        axis.plot(part["epoch"], part["value"], "o-", ms=4, lw=1, color=BLUE)
        axis.vlines(part["epoch"], part["low"].astype(float), part["high"].astype(float), color=BLUE, lw=1.4)
        for epoch in part.loc[part["best"], "epoch"]:
            axis.axvline(epoch, color=GREY, lw=0.9, ls="--", zorder=0)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        years = (part["unit"] == "years").all()
        axis.set(xlabel="epoch", title=f"{measure}, years" if years else f"{measure}, right answers")
        if not years:
            axis.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    figure.suptitle("by epoch, with 95 % intervals; dashed: the best in training", color=GREY, fontsize=9)
    return figure
