"""How good answers are on one data set: in training after each epoch, and when a model is evaluated.

Sets are measured apart, because one number over all of them hides what a model has learnt of one set
only: that a kind of picture means a class. So there is, for each set and head, the accuracy of each
class, and by how much classes are named oftener than they occur.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from facecli.core.attributes import MISSING
from facecli.data.checks import POOLED_HEADS
from facecli.models.readout import expected_age

HALF_YEAR = 0.5
"""An age of 29 is said of everybody between 28.5 and 29.5."""
SKEW = 0.03
"""Predicted minus true share of a class beyond which a set is warned about."""
FEWEST_FOR_SKEW = 100
"""Of fewer faces such a difference is mostly chance."""


@dataclass(frozen=True)
class ClassFigures:
    """A class head on the rows of one set whose label is known.

    Attributes:
        accuracy: share of right answers, in [0, 1].
        by_class: class -> share of its faces that are recognised; classes that occur.
        skew: class -> share of the answers minus share of the labels.
    """

    count: int
    accuracy: float
    by_class: Mapping[str, float] = field(default_factory=dict)
    skew: Mapping[str, float] = field(default_factory=dict)

    @property
    def worst_skew(self) -> tuple[str, float]:
        """The class that is most over- or understated, and by how much."""
        name = max(self.skew, key=lambda key: abs(self.skew[key]))
        return name, self.skew[name]


@dataclass(frozen=True)
class AgeFigures:
    """The age head on one set: rows whose year is known, and rows of which a bin is known.

    Attributes:
        mae: years; None without known years.
        in_bin: share of expectations that round to a year of their bin; None without bins.
        outside: mean years outside the bin, 0 for those inside; None without bins.
    """

    count: int
    mae: float | None
    in_bin: float | None
    outside: float | None


def class_figures(names: Sequence[str], labels: np.ndarray, probabilities: np.ndarray) -> ClassFigures | None:
    """Figures of a head whose classes have these names; None when no label is known.

    Args:
        names: in the order of the head.
        labels: (n,) class ids, -1 where missing.
        probabilities: (n, classes).
    """
    known = labels != MISSING
    return figures_of_known(names, labels[known], probabilities[known]) if known.any() else None


def figures_of_known(names: Sequence[str], true: np.ndarray, probabilities: np.ndarray) -> ClassFigures:
    """Figures of (n,) class ids, all of them known and one at least, and (n, classes)."""
    said = probabilities.argmax(axis=1)
    shares = np.bincount(said, minlength=len(names)) - np.bincount(true, minlength=len(names))
    return ClassFigures(
        count=len(true),
        accuracy=float((said == true).mean()),
        by_class={names[index]: float((said[true == index] == index).mean()) for index in np.unique(true)},
        skew={name: float(share) / len(true) for name, share in zip(names, shares, strict=True)},
    )


def age_figures(
    age_years: np.ndarray, low: np.ndarray, high: np.ndarray, probabilities: np.ndarray
) -> AgeFigures | None:
    """Figures of the expected age.

    Args:
        age_years: (n,), -1 where the year is not known.
        low, high: (n,) youngest and oldest age of a bin, -1 where there is none.
        probabilities: (n, 117).

    Returns:
        None when no age is known in any way.
    """
    expected = expected_age(probabilities)
    exact = age_years != MISSING
    binned = ~exact & (low != MISSING)
    if not (exact | binned).any():
        return None
    beyond = np.maximum(np.maximum(low - expected, expected - high), 0)[binned]
    return AgeFigures(
        count=int((exact | binned).sum()),
        mae=float(np.abs(expected - age_years)[exact].mean()) if exact.any() else None,
        in_bin=float((beyond <= HALF_YEAR).mean()) if binned.any() else None,
        outside=float(beyond.mean()) if binned.any() else None,
    )


def skewed(figures: Mapping[str, ClassFigures | AgeFigures], name: str) -> list[str]:
    """A sentence for each head of a set that names a class much oftener, or less often, than it occurs."""
    told = []
    for head, row in figures.items():
        if not isinstance(row, ClassFigures) or head in POOLED_HEADS or row.count < FEWEST_FOR_SKEW:
            continue
        if abs(row.worst_skew[1]) > SKEW:
            label, skew = row.worst_skew
            more = "more" if skew > 0 else "less"
            told.append(
                f"{name}: {head} '{label}' is said {100 * abs(skew):.1f} points {more} than it occurs"
            )
    return told
