"""Is there enough to learn from, and which classes does each set show and may therefore teach?

A set in which a class is missing teaches that its kind of picture means the other classes: from
pictures of men alone a network learns that such pictures show men, through labels and through the
answers of teachers that learnt so. Such a set therefore does not teach that head.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from facecli.core.attributes import CLASS_NAMES, MISSING, ClassNames, label_column
from facecli.core.errors import DataError
from facecli.data.groups import age_decades

MIN_ROWS = 50
MIN_CLASS_ROWS = 2
MIN_AGE_DECADES = 2

log: logging.Logger = logging.getLogger(__name__)

MIN_CLASS_SHARE = 0.01
"""A set has a class when at least this share of its labels is of it (FER2013's rarest has 1.5 %)."""
POOLED_HEADS = ("face",)
"""Heads whose classes come from different sets by their nature: pictures of faces, and of none."""


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
    it lacks altogether `data.checks.check_trainable` refuses.

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
