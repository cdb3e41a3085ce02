"""Is there enough to learn from? Said in a clear word before training starts."""

from collections.abc import Iterable

import pandas as pd

from facecli.data.rebalance import age_decades
from facecli.errors import DataError
from facecli.labels import CLASS_NAMES, LABEL_COLUMNS, MISSING

MIN_ROWS = 50
MIN_CLASS_ROWS = 2
MIN_AGE_DECADES = 2


def check_trainable(frame: pd.DataFrame, heads: Iterable[str]) -> None:
    """Refuses a table that no sensible model can come of.

    Args:
        frame: rows with labels; those with `split` "train" count, all when there is no such column.
        heads: the heads to be trained.

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
            _check_classes(head, known)


def _known(frame: pd.DataFrame, head: str) -> pd.Series:
    """Labels that are there; of an age that is known as a bin, the youngest of it."""
    column = LABEL_COLUMNS[head]
    values = frame[column] if column in frame else pd.Series(MISSING, frame.index)
    if head == "age" and "age_low" in frame:
        values = values.where(values != MISSING, frame["age_low"])
    return values[values != MISSING]


def _check_ages(age_years: pd.Series) -> None:
    decades = len(set(age_decades(age_years)))
    if decades < MIN_AGE_DECADES:
        raise DataError("all training pictures are of one age decade; give faces of different ages")


def _check_classes(head: str, class_ids: pd.Series) -> None:
    counts = class_ids.value_counts()
    few = {
        name: int(counts.get(class_id, 0))
        for class_id, name in enumerate(CLASS_NAMES[head])
        if counts.get(class_id, 0) < MIN_CLASS_ROWS
    }
    if few:
        named = ", ".join(f"{name} ({count})" for name, count in few.items())
        raise DataError(
            f"too few training pictures of {head} {named}; give at least {MIN_CLASS_ROWS} of each class "
            f"or leave '{head}' out of --heads"
        )
