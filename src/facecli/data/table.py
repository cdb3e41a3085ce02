"""Labelled pictures as a table, how a kind of data set becomes one, and several tables one."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facecli.core.attributes import LABEL_COLUMNS, MISSING, ClassNames
from facecli.core.console import with_bar
from facecli.core.errors import ImageError
from facecli.core.images import check_image, read_bytes
from facecli.data.groups import Fingerprints, shared_pictures

COLUMNS = ("file", "sha256", "age_years", "gender", "race")
LABELS = COLUMNS[2:]

log: logging.Logger = logging.getLogger(__name__)

LEFT_OUT = "left_out"
"""Split of rows that are neither trained nor judged by."""


@dataclass(frozen=True)
class Table:
    """Labelled pictures, and what was left out with its reason.

    `frame` has the columns COLUMNS and `source`, maybe more: `file` relative to the folder
    with forward slashes, whole-number labels, -1 where one is missing. Sorted by file; maybe
    empty. `classes` has the attributes that facecli does not know by itself: name, which is a column
    of `frame`, -> names of its classes, in the order of their numbers.
    """

    frame: pd.DataFrame
    problems: list[tuple[str, str]] = field(default_factory=list)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """How a kind of data set is recognised and read.

    Attributes:
        read: takes what was recognised; gives the folder that the table's files are relative to, and the
            table. Raises DataError.
        is_table: does a file of that name, in small letters, hold the labels?
        find: what a folder is read from, itself or a folder below, or None; asked when no table is there.
        crop: (margin, shift_y) with which its whole pictures look like UTKFace's chips, the eyes as far
            apart and as high (benchmarks/source_crops.py measures it).
    """

    read: Callable[[Path], tuple[Path, Table]]
    is_table: Callable[[str], bool] = lambda name: False
    find: Callable[[Path], Path | None] = lambda folder: None
    crop: tuple[float, float] = (0.0, 0.0)


def build_table(
    folder: Path, rows: Iterable[Mapping[str, Any]], problems: Iterable[tuple[str, str]], source: str
) -> Table:
    """Hashes the files of labelled rows and makes the table.

    Args:
        folder: what `file` is relative to.
        rows: mappings with `file` and any of LABELS, which are -1 where a row has none; other
            keys become further columns.
        problems: what was left out so far.
        source: name of the data set, the column `source`.

    Returns:
        The table without the pictures that are missing, cut, or none at all: they join `problems`.
    """
    rows, problems = sorted(rows, key=lambda row: row["file"]), list(problems)
    kept = []
    with ThreadPoolExecutor() as pool:
        digests = pool.map(lambda row: _digest(folder, row["file"]), rows)
        read = with_bar(zip(rows, digests, strict=True), f"reading {source}", len(rows))
        for row, (digest, problem) in read:
            if problem:
                problems.append((row["file"], problem))
            else:
                kept.append({**dict.fromkeys(LABELS, MISSING), **row, "sha256": digest, "source": source})
    frame = pd.DataFrame(kept, columns=None if kept else [*COLUMNS, "source"])
    further = [column for column in frame.columns if column not in (*COLUMNS, "source")]
    return Table(frame[[*COLUMNS, "source", *further]], sorted(problems))


def _digest(folder: Path, file: str) -> tuple[str, str]:
    """(hex sha256, "") of a picture file, or ("", what is wrong with it)."""
    try:
        data = read_bytes(folder / file)
    except ImageError:
        return "", "the file is missing or cannot be read"
    try:
        check_image(data)
    except ImageError as error:
        return "", str(error)
    return hashlib.sha256(data).hexdigest(), ""


def join_classes(tables: Sequence[Table]) -> tuple[list[pd.DataFrame], dict[str, tuple[str, ...]]]:
    """The frames of some tables with one numbering of their attributes' classes, and those classes.

    A class is known by its name: what one table calls 0 may be another's 1.
    """
    classes: dict[str, tuple[str, ...]] = {}
    for table in tables:
        for name, names in table.classes.items():
            classes[name] = tuple(dict.fromkeys((*classes.get(name, ()), *names)))
    return [renumbered(table.frame, table.classes, classes) for table in tables], classes


def renumbered(frame: pd.DataFrame, before: ClassNames, after: ClassNames) -> pd.DataFrame:
    """The rows with the numbers that classes have in `after`; what it has no class for is missing.

    Args:
        frame: rows with a column for each attribute of `before`, -1 where missing.
        before, after: attribute -> names of its classes; attributes of only one of them stay as they are.
    """
    columns = {}
    for name in (name for name in before if name in after and name in frame):
        places = {one: place for place, one in enumerate(after[name])}
        numbers = np.array([*(places.get(one, MISSING) for one in before[name]), MISSING], np.int64)
        # The last of them, -1, stays -1; a number that no class has is none.
        found = frame[name].to_numpy(np.int64)
        columns[name] = numbers[np.where(found < len(before[name]), found, MISSING)]
    return frame.assign(**columns)


def join_tables(
    tables: Sequence[tuple[Path, pd.DataFrame]],
    prints: Sequence[Fingerprints] = (),
    attributes: Iterable[str] = (),
) -> pd.DataFrame:
    """Puts grouped and split tables below each other.

    A picture that recurs byte for byte in a later table is left out there: its labels in the
    first are kept. So that what one set tests on is not trained on through another, training rows
    that show a photograph which another set validates or tests on get the split "left_out"; every set
    keeps its own validation and test rows.

    Args:
        tables: (folder, frame) of each set, frames with `file`, `sha256`, `group`, `split` and
            whatever labels they have. The first folder is what the result's files are relative to.
        prints: fingerprints of the sets, in the same order; without them only equal files are known.
        attributes: labels that facecli does not know by itself.

    Returns:
        The rows of all tables in their order, a label that a set does not have being -1. Files
        of later tables are absolute. Groups of different tables differ.
    """
    joined, first_group = [], 0
    seen: set[str] = set()
    for number, (folder, frame) in enumerate(tables):
        kept = frame[~frame["sha256"].isin(seen)] if number else frame
        if len(kept) < len(frame):
            log.info("%s: %d pictures are known already", folder, len(frame) - len(kept))
        kept = kept.assign(group=kept["group"] + first_group)
        if number:
            kept["file"] = [str(folder.resolve() / file) for file in kept["file"]]
        joined.append(kept)
        seen.update(frame["sha256"])
        first_group += int(frame["group"].max()) + 1 if len(frame) else 0
    return _untangled(whole_labels(pd.concat(joined, ignore_index=True), attributes), prints)


def _untangled(frame: pd.DataFrame, prints: Sequence[Fingerprints]) -> pd.DataFrame:
    """Training rows whose photograph another set validates or tests on are left out."""
    judged = set(frame["sha256"][frame["split"].isin(["val", "test"])])
    out: set[str] = set()
    for one, other in combinations(prints, 2):
        for left, right in zip(*shared_pictures(one, other), strict=True):
            out.update({left} if right in judged else (), {right} if left in judged else ())
    tangled = frame["sha256"].isin(out) & (frame["split"] == "train")
    if not tangled.any():
        return frame
    log.info("%d training pictures show what another set is judged by; they are left out", tangled.sum())
    return frame.assign(split=frame["split"].where(~tangled, LEFT_OUT))


def whole_labels(frame: pd.DataFrame, attributes: Iterable[str] = ()) -> pd.DataFrame:
    """The rows with whole numbers for labels, -1 where a set that lacks a column left a gap."""
    labels = [*LABEL_COLUMNS.values(), "age_low", "age_high", *attributes]
    known = {name: frame[name].fillna(MISSING).astype(np.int64) for name in labels if name in frame}
    return frame.assign(**known)
