"""What a model is known to take for what: counts of labelled faces that it was measured on."""

import csv
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facecli import paths
from facecli.faces import NAMED_HEADS
from facecli.labels import CLASS_NAMES
from facecli.models.checkpoint import Checkpoint, read_json

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Confusion:
    """Counts of a head on labelled faces.

    Attributes:
        counts: (classes, classes) int, true classes as rows, answers as columns, in the order of
            `labels.CLASS_NAMES`.
        data: what it was measured on, for people.
    """

    counts: np.ndarray
    data: str

    @property
    def faces(self) -> int:
        return int(self.counts.sum())


def load_confusions(checkpoint: Checkpoint) -> dict[str, Confusion]:
    """Head -> its confusion, of the heads that were measured.

    Reads `metrics.json` of the model's folder; for heads that it does not hold, the tables that
    `facecli evaluate` wrote (statistics/model_metrics/<model>).
    """
    found = _of_metrics(checkpoint.folder / "metrics.json")
    for head in set(checkpoint.heads).intersection(NAMED_HEADS) - set(found):
        if (confusion := _of_statistics(checkpoint.name, head)) is not None:
            found[head] = confusion
    return {head: found[head] for head in NAMED_HEADS if head in found}


def _of_metrics(path: Path) -> dict[str, Confusion]:
    metrics, found = read_json(path), {}
    for head in NAMED_HEADS:
        row = metrics.get(head)
        if not isinstance(row, dict):
            continue
        counts = _checked(head, row.get("confusion"))
        if counts is not None:
            data = row.get("data") or f"the {metrics.get('split', 'test')} split of its data"
            found[head] = Confusion(counts, str(data))
    return found


def _of_statistics(model: str, head: str) -> Confusion | None:
    """Of the model's own data, else of the first other data that it was measured on."""
    folder = paths.statistics_dir() / "model_metrics" / Path(model).name
    name = f"{head}_confusion.csv"
    for path in [folder / name, *sorted(folder.glob(f"*/{name}"))]:
        counts = _of_csv(head, path)
        if counts is not None:
            of_own = path.parent == folder
            return Confusion(counts, "the test split of its data" if of_own else path.parent.name)
    return None


def _of_csv(head: str, path: Path) -> np.ndarray | None:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = {row.get("true"): row for row in csv.DictReader(file)}
    except (OSError, ValueError, csv.Error):
        return None
    names = CLASS_NAMES[head]
    if set(rows) != set(names):
        return None
    try:
        return _checked(head, [[int(rows[true][said]) for said in names] for true in names])
    except (KeyError, TypeError, ValueError):
        return None


def _checked(head: str, value: Any) -> np.ndarray | None:
    """The counts as a table, or None when that is no table of this head's."""
    classes = len(CLASS_NAMES[head])
    if value is None:
        return None
    whole = isinstance(value, list) and all(_is_row(row, classes) for row in value)
    if not whole or len(value) != classes:
        log.warning("the confusion counts of '%s' are damaged and not used", head)
        return None
    return np.array(value, np.int64)


def _is_row(row: Any, classes: int) -> bool:
    if not isinstance(row, list) or len(row) != classes:
        return False
    return all(type(count) is int and 0 <= count < 1 << 40 for count in row)


def typical_age_error(checkpoint: Checkpoint) -> float | None:
    """Mean absolute error of the age in years, as measured; None when it was not."""
    age = read_json(checkpoint.folder / "metrics.json").get("age")
    error = age.get("mae") if isinstance(age, dict) else None
    return float(error) if isinstance(error, int | float) and not isinstance(error, bool) else None
