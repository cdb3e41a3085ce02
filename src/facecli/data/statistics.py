"""How often each age, gender and race occurs: tables and pictures of a data set.

`raw` is every labelled picture; `training` is the training rows as they are, `adjusted` what training sees
of them after rebalancing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from facecli.core import paths
from facecli.core.arrays import Array
from facecli.core.attributes import (
    AGE_CLASSES,
    AGE_GROUPS,
    CLASS_NAMES,
    FACE_HEADS,
    MISSING,
    ClassNames,
)
from facecli.core.recipes import LEFT_OUT
from facecli.data.groups import age_decades, rebalance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = FACE_HEADS
"""Class labels of which a distribution is shown."""
_PALETTE = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#9c6b4e", "#a463f2", "#97bbf5")
_BAR = "#4269d0"
_LONG_NAME = 9
"""Letters from which on names would run into each other."""


def contact_sheet(images: npt.ArrayLike, columns: int = 8, gap: int = 2) -> Array:
    """Pictures of one size in rows of `columns`, on white.

    Args:
        images: (n, h, w, 3) RGB 0..255 of any dtype, at least one.
        columns: pictures a row.
        gap: white pixels between pictures and around them.

    Returns:
        (rows * (h + gap) + gap, columns * (w + gap) + gap, 3) uint8 RGB.
    """
    pictures = np.clip(np.round(np.asarray(images)), 0, 255).astype(np.uint8)
    count, height, width = pictures.shape[:3]
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for number, image in enumerate(pictures):
        top, left = (gap + (number // columns) * (height + gap), gap + (number % columns) * (width + gap))
        sheet[top : top + height, left : left + width] = image
    return sheet


@dataclass(frozen=True)
class Distribution:
    """Rows of each class, (n,) float64 (weighted rows need not be whole), and without a label."""

    names: tuple[str, ...]
    counts: Array
    missing: float

    def table(self) -> pd.DataFrame:
        """Columns `class`, `count`, `share` (of the labelled rows); the last row is "missing"."""
        total = self.counts.sum()
        shares = self.counts / total if total else np.zeros(len(self.counts))
        rows = [*zip(self.names, self.counts.round(2), shares.round(4), strict=True)]
        return pd.DataFrame(
            [*rows, ("missing", round(self.missing, 2), "")], columns=["class", "count", "share"]
        )


def distributions(
    frame: pd.DataFrame, weights: Array | None = None, classes: ClassNames = MappingProxyType({})
) -> dict[str, Distribution]:
    """`age` (single years), `age_group` (decades), those LABELS that a table has, and its attributes.

    Args:
        frame: rows with `age_years` and columns of LABELS; maybe none.
        weights: (n,) what each row counts for; 1 by default.
        classes: attribute of the table that facecli does not know by itself -> names of its classes.
    """
    weights = np.ones(len(frame)) if weights is None else np.asarray(weights, float)
    ages = tuple(str(age) for age in range(AGE_CLASSES))
    found = {
        "age": _distribution(frame["age_years"].to_numpy(), ages, weights),
        "age_group": _distribution(age_decades(frame["age_years"]), AGE_GROUPS, weights),
    }
    names = {label: CLASS_NAMES[label] for label in LABELS if label in frame} | {**classes}
    for label in names:
        found[label] = _distribution(frame[label].to_numpy(), tuple(names[label]), weights)
    return found


def save_data_stats(
    frame: pd.DataFrame, method: str, seed: int, folder: Path | None = None, left_out: float = LEFT_OUT
) -> Path:
    """Writes `raw/`, `training/` and `adjusted/`, each with a CSV and a PNG of every distribution.

    Args:
        frame: rows with labels and `split`.
        method: the rebalancing of training rows, see `rebalance`.
        seed: of the rebalancing.
        folder: where to; `statistics/data_stats` by default.
        left_out: the share of crowded ages that it leaves out.

    Returns:
        The folder.

    Raises:
        OutputError: it cannot be written.
    """
    folder = folder or paths.statistics_dir() / "data_stats"
    train = frame[frame["split"] == "train"]
    balanced = rebalance(train, method, seed, left_out)
    _save(distributions(frame), folder / "raw", "all pictures")
    _save(distributions(train), folder / "training", "training pictures")
    title = f"training pictures, rebalancing: {method}"
    _save(
        distributions(train.iloc[balanced.rows], balanced.weights * balanced.seen), folder / "adjusted", title
    )
    return folder


def _distribution(class_ids: Array, names: tuple[str, ...], weights: Array) -> Distribution:
    known = class_ids != MISSING
    counts = np.bincount(class_ids[known].astype(np.int64), weights[known], minlength=len(names))
    return Distribution(names, counts, float(weights[~known].sum()))


def _save(found: Mapping[str, Distribution], folder: Path, title: str) -> None:
    for name, distribution in found.items():
        with paths.replacing(folder / f"{name}.csv") as temporary:
            distribution.table().to_csv(temporary, index=False)
    _save_figure(_age_figure(found["age"], found["age_group"], title), folder / "age.png")
    for label in (name for name in LABELS if name in found):
        _save_figure(_class_figure(found[label], f"{label}: {title}"), folder / f"{label}.png")


def _figure(title: str, widths: tuple[int, int]) -> "tuple[Figure, Any]":
    # No pyplot: nothing global, no display; Figure draws with Agg by itself.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), dpi=120, layout="constrained")
    figure.suptitle(title, fontsize=12)
    axes = figure.subplots(1, 2, width_ratios=widths)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.3)
        axis.set_axisbelow(True)
    return figure, axes


def _age_figure(years: Distribution, decades: Distribution, title: str) -> "Figure":
    figure, (left, right) = _figure(f"age: {title}", (3, 2))
    left.bar(np.arange(len(years.names)), years.counts, width=1.0, color=_BAR)
    left.set(xlabel="age in years", ylabel="pictures", xlim=(-1, len(years.names)))
    _bars(right, decades, [_BAR] * len(decades.names))
    right.tick_params(axis="x", rotation=45)
    right.set_xlabel("age group")
    return figure


def _class_figure(distribution: Distribution, title: str) -> "Figure":
    figure, (left, right) = _figure(title, (3, 2))
    colours = _PALETTE[: len(distribution.names)]
    _bars(left, distribution, colours)
    left.set_ylabel("pictures")
    if max(map(len, distribution.names)) > _LONG_NAME:
        left.tick_params(axis="x", rotation=30)
    present = distribution.counts > 0
    if present.any():
        right.pie(
            distribution.counts[present],
            labels=np.array(distribution.names)[present],
            colors=np.array(colours)[present],
            autopct="%.1f %%",
            startangle=90,
            counterclock=False,
            wedgeprops={"edgecolor": "white"},
        )
    else:
        right.set_axis_off()
    return figure


def _bars(axis: "Axes", distribution: Distribution, colours: Sequence[str]) -> None:
    bars = axis.bar(distribution.names, distribution.counts, color=colours)
    axis.bar_label(bars, [f"{count:,.0f}" for count in distribution.counts], fontsize=8)
    axis.margins(y=0.1)


def _save_figure(figure: "Figure", path: Path) -> None:
    with paths.replacing(path) as temporary:
        figure.savefig(temporary)
