"""One picture of every group's error: dots with intervals, a line a group."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from facecli.training.fairness import FEWEST_FACES, MEASURES, SHARES
from facecli.training.style import BLUE, GREEN, GREY, ORANGE, new_figure, styled

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


@styled
def fairness_plot(table: pd.DataFrame) -> Figure:
    """Every measure in a panel, the groups of `fairness.fairness_table` (not empty) one below another.

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


def _panel(axis, measure: str, shown: pd.DataFrame, y: np.ndarray) -> None:
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
