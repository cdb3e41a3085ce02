"""What a data set shows of each age, gender and race: is it enough, what does it lack; tables and pictures.

A set in which a class is missing teaches that its kind of picture means the other classes: from
pictures of men alone a network learns that such pictures show men, through labels and through the
answers of teachers that learnt so. Such a set therefore does not teach that head.

Of the tables `raw` is every labelled picture; `training` is the training rows as they are, `adjusted` what
training sees of them after rebalancing.
"""

import logging
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    label_column,
)
from facecli.core.errors import DataError
from facecli.core.recipes import LEFT_OUT
from facecli.data.groups import age_decades, rebalance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MIN_ROWS = 50
MIN_CLASS_ROWS = 2
MIN_AGE_DECADES = 2

log = logging.getLogger(__name__)

MIN_CLASS_SHARE = 0.01
"""A set has a class when at least this share of its labels is of it (FER2013's rarest has 1.5 %)."""
POOLED_HEADS = ("face",)
"""Heads whose classes come from different sets by their nature: pictures of faces, and of none."""
LABELS = FACE_HEADS
"""Class labels of which a distribution is shown."""
_PALETTE = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#9c6b4e", "#a463f2", "#97bbf5")
_BAR = "#4269d0"
_LONG_NAME = 9
"""Letters from which on names would run into each other."""


def check_trainable(frame: pd.DataFrame, heads: Iterable[str], classes: ClassNames = CLASS_NAMES) -> None:
    """Refuses a table that no sensible model can come of.

    Args:
        frame: rows with labels; those with `split` "train" count, all when there is no such column.
        heads: the heads to be trained.
        classes: names of theirs.

    Raises:
        DataError: fewer than MIN_ROWS rows in all, an empty validation or test split, a head
            without labels, a class with fewer than MIN_CLASS_ROWS training rows, or ages of
            fewer than MIN_AGE_DECADES decades.
    """
    if len(frame) < MIN_ROWS:
        raise DataError(f"{len(frame)} labelled pictures are too few to train on; give at least {MIN_ROWS}")
    train = frame
    if "split" in frame:
        for split in ("train", "val", "test"):
            if not (frame["split"] == split).any():
                raise DataError(f"no picture falls into the {split} split; give more different pictures")
        train = frame[frame["split"] == "train"]
    for head in heads:
        known = _known(train, head)
        if known.empty:
            others = ",".join(other for other in heads if other != head) or "another head"
            raise DataError(
                f"no training picture has a label for the head '{head}'; train with --heads {others}"
            )
        if head == "age":
            _check_ages(known)
        else:
            _check_classes(head, known, classes[head])


def _known(frame: pd.DataFrame, head: str) -> pd.Series:
    """Labels that are there; of an age that is known as a bin, the youngest of it."""
    column = label_column(head)
    values = frame[column] if column in frame else pd.Series(MISSING, frame.index)
    if head == "age" and "age_low" in frame:
        values = values.where(values != MISSING, frame["age_low"])
    return values[values != MISSING]


def _check_ages(age_years: pd.Series) -> None:
    decades = len(set(age_decades(age_years)))
    if decades < MIN_AGE_DECADES:
        raise DataError("all training pictures are of one age decade; give faces of different ages")


def _check_classes(head: str, class_ids: pd.Series, names: Sequence[str]) -> None:
    counts = class_ids.value_counts()
    few = {
        name: int(counts.get(class_id, 0))
        for class_id, name in enumerate(names)
        if counts.get(class_id, 0) < MIN_CLASS_ROWS
    }
    if few:
        named = ", ".join(f"{name} ({count})" for name, count in few.items())
        raise DataError(
            f"too few training pictures of {head} {named}; give at least {MIN_CLASS_ROWS} of each class "
            f"or leave '{head}' out of --heads"
        )


@dataclass(frozen=True)
class Gap:
    """A head of a set that lacks classes.

    Attributes:
        classes: those of which the set has less than MIN_CLASS_SHARE, in the order of the head.
        labels: how many of the set's rows have a label of the head.
        allowed: it was asked for all the same.
    """

    set_name: str
    head: str
    classes: tuple[str, ...]
    labels: int
    allowed: bool = False

    @property
    def sentence(self) -> str:
        """One line for people: what is missing, what follows, what can be done."""
        lacking = " and ".join(f"'{name}'" for name in self.classes)
        of = f"{self.set_name} has (almost) no {lacking} among {self.labels:,} labels of {self.head}"
        if self.allowed:
            return f"{of} and teaches it all the same: its kind of picture may come to mean the others"
        return f"{of} and does not teach it; --allow-one-sided {self.set_name}:{self.head} lets it"


def class_counts(frame: pd.DataFrame, head: str, classes: ClassNames = CLASS_NAMES) -> dict[str, int]:
    """Class -> number of labelled rows, in the order of the head; {} without a label."""
    column = label_column(head)
    if column not in frame:
        return {}
    known = frame[column][frame[column] != MISSING]
    if known.empty:
        return {}
    counts = known.value_counts()
    return {name: int(counts.get(index, 0)) for index, name in enumerate(classes[head])}


def find_gaps(
    frame: pd.DataFrame,
    heads: Sequence[str],
    allowed: Collection[str] = (),
    classes: ClassNames = CLASS_NAMES,
) -> list[Gap]:
    """What the sets of a table lack among their training rows, heads that only one set knows left out.

    Where a single set teaches a head there is no other kind of picture to be told from it, and what
    it lacks altogether `data.statistics.check_trainable` refuses.

    Args:
        frame: rows with `set`, labels, and maybe `split` (without it all rows are for training).
        heads: those that are trained.
        allowed: "set:head" of gaps that are let be.
        classes: names of the heads'.
    """
    gaps = []
    frame = frame[frame["split"] == "train"] if "split" in frame else frame
    for head in (head for head in heads if head in classes and head not in POOLED_HEADS):
        counts = {
            str(name): class_counts(rows, head, classes) for name, rows in frame.groupby("set", sort=False)
        }
        counts = {name: found for name, found in counts.items() if found}
        for name, found in counts.items() if len(counts) > 1 else ():
            labels = sum(found.values())
            lacking = tuple(label for label, count in found.items() if count < MIN_CLASS_SHARE * labels)
            if lacking:
                gaps.append(Gap(name, head, lacking, labels, f"{name}:{head}" in allowed))
    return gaps


def forget_one_sided(
    frame: pd.DataFrame,
    heads: Sequence[str],
    allowed: Collection[str] = (),
    classes: ClassNames = CLASS_NAMES,
) -> tuple[pd.DataFrame, list[Gap]]:
    """Takes the labels of one-sided sets out of the training rows.

    What is validated and tested on keeps them: how the other sets' pictures were understood shows there.

    Args: as `find_gaps`; `frame` with `split`.

    Returns:
        The rows in their order, and the gaps that were found, each told in one warning.
    """
    gaps, frame = find_gaps(frame, heads, allowed, classes), frame.copy()
    for gap in gaps:
        log.warning("%s", gap.sentence)
        if not gap.allowed:
            rows = (frame["set"] == gap.set_name) & (frame["split"] == "train")
            frame.loc[rows, label_column(gap.head)] = MISSING
    return frame, gaps


def knowing_sets(frame: pd.DataFrame, head: str) -> list[str]:
    """Names of the sets whose training rows have labels of a head: those that teach it.

    An age known as a bin is a label.
    """
    column = label_column(head)
    known = frame[column] != MISSING if column in frame else pd.Series(False, frame.index)
    if head == "age" and "age_low" in frame:
        known |= frame["age_low"] != MISSING
    return frame["set"][known & (frame["split"] == "train")].unique().tolist()


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
