"""Labels of rows as the arrays that the losses take; a missing label is a row of zeros."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from facecli.core.arrays import Array
from facecli.core.attributes import (
    AGE_CLASSES,
    CLASS_NAMES,
    MAX_AGE_YEARS,
    MISSING,
    ClassNames,
    label_column,
)

NO_AGE = -1.0
"""Last column of an encoded age of which a distribution is known, but no years."""
IN_BIN = -2.0
"""Last column of an encoded age that is known as a bin: the years with a share are inside."""
OPEN_BIN_YEARS = 10.0
"""How fast the shares of an open bin ("more than 70") fall: the mean age of people beyond its lower end,
less that end: the 1,147 of UTKFace are 79.9 years on average."""


class Columns(Protocol):
    """A table, or a mapping of names to arrays or lists."""

    def __getitem__(self, name: str, /) -> npt.ArrayLike: ...
    def __contains__(self, name: str, /) -> bool: ...


def build_targets(
    labels: Columns, heads: Sequence[str], classes: ClassNames = CLASS_NAMES
) -> dict[str, Array]:
    """Encodes the label columns of a table.

    Args:
        labels: anything with columns of `core.attributes.LABEL_COLUMNS`, -1 where a label is missing; a
            column that is not there is missing throughout. `age_low` and `age_high` bound an
            age that is known as a bin only.
        heads: the heads that are trained.
        classes: names of theirs.

    Returns:
        Head -> (n, classes) float32 one-hot rows; for age (n, classes + 1): a Gaussian over
        the years, then the age itself.
    """
    wanted = {"age_years", "age_low", "age_high", *map(label_column, heads)}
    columns = {name: np.asarray(labels[name], np.int64) for name in wanted if name in labels}
    count = len(columns["age_years"])
    targets = {}
    for head in heads:
        values = columns.get(label_column(head), np.full(count, MISSING))
        targets[head] = encode_classes(values, len(classes[head])) if head != "age" else encode_age(values)
    if "age" in targets and "age_low" in columns:
        bins = encode_age_bins(columns["age_low"], columns["age_high"])
        unknown = columns["age_years"] == MISSING
        targets["age"][unknown] = bins[unknown]
    return targets


def encode_classes(values: Array, classes: int) -> Array:
    """(n, classes) one-hot rows, zeros where the value is missing."""
    known = values != MISSING
    encoded = np.zeros((len(values), classes), np.float32)
    encoded[np.flatnonzero(known), values[known]] = 1.0
    return encoded


def encode_age(age_years: Array) -> Array:
    """(n, AGE_CLASSES + 1): soft label over years, and the age in the last column.

    The Gaussian (Gao et al., deep label distribution learning, TIP 2017) widens with age:
    a year decides how a baby looks and tells little at fifty. The last column keeps the age
    itself because the mean of a Gaussian that is cut at zero is not the age.
    """
    years = np.arange(AGE_CLASSES, dtype=np.float32)
    age = np.asarray(age_years, np.float32)[:, None]
    sigma = np.clip(0.6 + 0.05 * age, 0.6, 2.5)
    soft = np.exp(-0.5 * ((years - age) / sigma) ** 2)
    soft /= soft.sum(axis=1, keepdims=True)
    encoded = np.concatenate([soft, age], axis=1)
    encoded[age[:, 0] == MISSING] = 0.0
    return encoded.astype(np.float32)


def encode_age_bins(low: Array, high: Array) -> Array:
    """(n, AGE_CLASSES + 1): a share of every year from low to high, and IN_BIN.

    What is learnt is the probability of the whole bin, see `training.losses.AgeLoss`; the shares are but what
    is likely within it when nothing else is known: equal, and falling in a bin that has no end. A
    teacher that has an opinion within the bin replaces them, see soft_labels. Rows of missing
    bounds are zeros.
    """
    years = np.arange(AGE_CLASSES)
    low, high = np.asarray(low)[:, None], np.asarray(high)[:, None]
    inside = (years >= low) & (years <= high) & (low != MISSING)
    falling = np.exp(-np.maximum(years - low, 0) / OPEN_BIN_YEARS)
    shares = inside * np.where(high == MAX_AGE_YEARS, falling, 1.0)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
    age = np.where(low != MISSING, IN_BIN, 0.0)
    return np.concatenate([shares, age], axis=1).astype(np.float32)
