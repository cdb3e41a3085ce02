"""A data set becomes what training and evaluation need: a grouped, split table, its crops and its labels.

Labels become the arrays that the losses take (`build_targets`); a missing one is a row of zeros.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from facecli.core.arrays import Array
from facecli.core.attributes import (
    AGE_CLASSES,
    CLASS_NAMES,
    HEAD_CLASSES,
    MAX_AGE_YEARS,
    MISSING,
    PRESENCE,
    ClassNames,
    label_column,
    wrong_in_head,
)
from facecli.core.crops import WHOLE_CHIP_MARGIN
from facecli.core.errors import DataError, InputError
from facecli.data.groups import add_groups, fingerprints, split_digest, split_groups
from facecli.data.listed import PLAIN, ListOptions
from facecli.data.sources import load_crops, open_dataset
from facecli.data.statistics import forget_one_sided, knowing_sets
from facecli.data.table import Table, join_classes, join_tables, renumbered

log: logging.Logger = logging.getLogger(__name__)

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


@dataclass(frozen=True)
class PreparedData:
    """A table with the columns `group`, `split` and `set`, and the folder of its files.

    Attributes:
        folder: what `file` is relative to; files of further sets are absolute.
        frame: the rows of all sets, one set after the other.
        sets: name of each set -> digest of its split, in the order in which they were given.
        classes: attribute that facecli does not know by itself, a column of `frame` -> its classes.
    """

    folder: Path
    frame: pd.DataFrame
    sets: Mapping[str, str]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def class_names(self) -> ClassNames:
        """Of all heads that there may be labels for."""
        return CLASS_NAMES | dict(self.classes)

    def check_heads(self, heads: Iterable[str]) -> None:
        """Raises InputError or DataError for a head that is asked for and can be none."""
        for head in (head for head in heads if head not in HEAD_CLASSES):
            if head not in self.classes:
                known = ", ".join((*HEAD_CLASSES, *self.classes))
                raise InputError(f"no data set has labels of '{head}'; it may be one of {known}")
            if wrong := wrong_in_head(head, self.classes[head]):
                raise DataError(f"the head '{head}' {wrong}")

    def understood(self, classes: ClassNames) -> "PreparedData":
        """With classes of attributes numbered as a model does; what it has no class for is missing."""
        frame = renumbered(self.frame, self.classes, classes)
        # A column that is called as a head of the model and holds no classes is none of its labels.
        strange = [name for name in classes if name in frame and name not in self.classes]
        frame = frame.drop(columns=strange)
        told = {name: tuple(classes.get(name, names)) for name, names in self.classes.items()}
        return replace(self, frame=frame, classes=told)

    @property
    def digest(self) -> str:
        """Of the first set's split."""
        return next(iter(self.sets.values()))

    @property
    def extra(self) -> dict[str, str]:
        """Name -> split digest of all sets but the first."""
        return dict(list(self.sets.items())[1:])

    @property
    def of_set(self) -> Array:
        """(n,) name of each row's set."""
        return self.frame["set"].to_numpy(str)

    def taught(self, heads: Sequence[str], allowed: Collection[str] = ()) -> "PreparedData":
        """Without training labels of sets that lack classes, see `data.statistics.forget_one_sided`."""
        frame, _ = forget_one_sided(self.frame, heads, allowed, self.class_names)
        for name in self.sets:
            known = [head for head in heads if name in knowing_sets(frame, head)]
            rows = ((frame["set"] == name) & (frame["split"] == "train")).sum()
            log.info("%s: %d training pictures teach %s", name, rows, ", ".join(known) or "no head")
        return replace(self, frame=frame)

    def only(self, name: str) -> "PreparedData":
        """One of the sets alone."""
        return replace(self, frame=self.frame[self.frame["set"] == name], sets={name: self.sets[name]})

    def first(self) -> "PreparedData":
        """The first set alone."""
        return self.only(next(iter(self.sets)))

    def rows(self, split: str) -> Array:
        """Positions of the rows of a split ("train", "val", "test"), or of all ("all")."""
        wanted = (
            np.ones(len(self.frame), bool) if split == "all" else (self.frame["split"] == split).to_numpy()
        )
        return np.flatnonzero(wanted)

    def crops(self, image_size: tuple[int, int], margin: float = WHOLE_CHIP_MARGIN) -> Array:
        """(n, h, w, 3) uint8 RGB, a row for each row of the table."""
        return load_crops(self.frame, self.folder, image_size, margin)


def prepare_data(
    places: Path | Sequence[Path], seed: int, limit: int | None = None, lists: ListOptions = PLAIN
) -> PreparedData:
    """Opens data sets, groups their duplicates and splits them, each by itself.

    Args:
        places: the data set, or several, of any known layout. A label that a set does not have is
            missing. A further set leaves the splits of the others as they are.
        seed: decides the splits, together with the files.
        limit: keep that many random rows of each set (a quick try); digests are then of those.
        lists: how lists of pictures are read.

    Raises:
        DataError: nothing to use there.
    """
    places = [places] if isinstance(places, Path) else list(places)
    found = [_prepare_one(place, seed, limit, lists) for place in places]
    frames, classes = join_classes([table for _, table in found])
    tables = [(folder, frame) for (folder, _), frame in zip(found, frames, strict=True)]
    names = unique_names([folder.name for folder, _ in tables])
    digests = [split_digest(frame) for _, frame in tables]
    named = [(folder, frame.assign(set=name)) for name, (folder, frame) in zip(names, tables, strict=True)]
    prints = [fingerprints(frame, folder) for folder, frame in tables] if len(tables) > 1 else []
    joined = join_tables(named, prints, classes)
    return PreparedData(tables[0][0], joined, dict(zip(names, digests, strict=True)), classes)


def unique_names(names: Sequence[str]) -> list[str]:
    """The names, the second of two equal ones with "-2" behind it, and so on."""
    found: list[str] = []
    for name in names:
        number, free = 1, name
        while free in found:
            number += 1
            free = f"{name}-{number}"
        found.append(free)
    return found


def _prepare_one(path: Path, seed: int, limit: int | None, lists: ListOptions) -> tuple[Path, Table]:
    folder, table = open_dataset(path, lists=lists)
    if taken := [name for name in table.classes if name in HEAD_CLASSES]:
        raise DataError(f"{path}: the head '{taken[0]}' {wrong_in_head(taken[0], table.classes[taken[0]])}")
    if table.problems:
        log.warning("%d files left out, see 'facecli data check %s'", len(table.problems), path)
    # Every known data set is of faces, but for the one that says it is not.
    frame = table.frame if "face" in table.frame else table.frame.assign(face=PRESENCE.index("face"))
    frame, conflicts = add_groups(frame, folder)
    if conflicts:
        log.info("%d groups of identical files disagree on a label", len(conflicts))
    if limit and limit < len(frame):
        frame = frame.sample(limit, random_state=seed).sort_index().reset_index(drop=True)
    return folder, replace(table, frame=split_groups(frame, seed))
