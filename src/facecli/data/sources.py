"""Any known data set, from a folder, an archive or its table: recognised and read.

| layout | recognised by |
|---|---|
| WIKI | a file `wiki.mat` |
| FairFace | files `fairface_label_*.csv` |
| FER2013 | `fer2013.csv` or `icml_face_data.csv`, or folders `train/<emotion>/` |
| no faces | a folder `not_face/` (in it, or in `train/` and `test/`) |
| UTKFace | none of these: the file names carry the labels |
"""

import os
import re
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from facecli.core.attributes import EMOTIONS
from facecli.core.errors import DataError, InputError
from facecli.data.archives import archive_stem, unpack
from facecli.data.fairface import PATTERN as FAIRFACE_PATTERN
from facecli.data.fairface import read_fairface
from facecli.data.fer2013 import CSV_FILES, read_fer2013_csv, read_fer2013_folders
from facecli.data.not_face import FOLDER as NOT_FACE
from facecli.data.not_face import read_not_face
from facecli.data.table import Table, read_utkface
from facecli.data.wiki import FILE as WIKI_FILE
from facecli.data.wiki import read_wiki

_PAIR = re.compile(r"(?P<name>dataset)_[12]", re.IGNORECASE)
"""The ancestor project's data set came in two archives."""


class _Pair(NamedTuple):
    """Both archives, and the name of the folder that they are unpacked to."""

    archives: list[Path]
    name: str


def open_dataset(path: Path, progress: bool = True) -> tuple[Path, Table]:
    """Reads a data set of any known layout.

    Args:
        path: a folder (searched recursively), a .tar.gz, .tgz, .tar or .zip archive (unpacked
            beside itself, once), either of `dataset_1.tar.gz` and `dataset_2.tar.gz` or the
            folder of both, or a table (`wiki.mat`, FairFace's or FER2013's CSV).
        progress: draw a bar while unpacking.

    Returns:
        The folder that the table's files are relative to, and the table with at least a row.

    Raises:
        InputError: no such path, or a file that is no data set.
        DataError: nothing usable in it.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise InputError(f"no such data set: {path}{_nearby(path)}")
    folder, table = _read_file(path, progress) if path.is_file() else _read_folder(path, progress)
    if table.frame.empty:
        raise DataError(_nothing(path, table))
    return folder, table


def _read_folder(folder: Path, progress: bool) -> tuple[Path, Table]:
    if pair := _pair_in(folder):
        return _read_folder(unpack(pair.archives, pair.name, progress), progress)
    marker = _find_table(folder)
    if marker:
        return _read_table(marker)
    if fer2013 := _find_fer2013(folder):
        return fer2013, read_fer2013_folders(fer2013)
    if any(folder.glob(f"**/{NOT_FACE}/")):
        return folder, read_not_face(folder)
    return folder, read_utkface(folder)


def _read_file(path: Path, progress: bool) -> tuple[Path, Table]:
    stem = archive_stem(path)
    if stem is None:
        if not _is_table(path.name):
            raise InputError(
                f"{path} is no data set; give a folder, a .tar.gz or .zip archive, wiki.mat, or a label CSV"
            )
        return _read_table(path)
    if _PAIR.fullmatch(stem):
        pair = _pair_in(path.parent)
        if pair is None:
            raise DataError(f"{path} is one of two archives; put dataset_1 and dataset_2 into one folder")
        return _read_folder(unpack(pair.archives, pair.name, progress), progress)
    return _read_folder(unpack([path], stem, progress), progress)


def _read_table(path: Path) -> tuple[Path, Table]:
    if path.name.lower() == WIKI_FILE:
        return path.parent, read_wiki(path)
    if fnmatch(path.name.lower(), FAIRFACE_PATTERN):
        return path.parent, read_fairface(sorted(path.parent.glob(FAIRFACE_PATTERN)))
    return read_fer2013_csv(path)


def _is_table(name: str) -> bool:
    name = name.lower()
    return name in (WIKI_FILE, *CSV_FILES) or fnmatch(name, FAIRFACE_PATTERN)


def _find_table(folder: Path) -> Path | None:
    """The outermost file that names a layout."""
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if _is_table(name):
                return Path(root, name)
    return None


def _find_fer2013(folder: Path) -> Path | None:
    """The folder above `train/<emotion>/` (two emotions at least), or None."""
    for root, folders, _ in os.walk(folder):
        folders.sort()
        if "train" in folders:
            names = {entry.name.lower() for entry in Path(root, "train").iterdir() if entry.is_dir()}
            if len(names & set(EMOTIONS)) >= 2:
                return Path(root)
    return None


def _pair_in(folder: Path) -> _Pair | None:
    """Archives `dataset_1` and `dataset_2` of a folder; None unless both are there."""
    found = [
        (entry, match)
        for entry in sorted(folder.iterdir())
        if (match := _PAIR.fullmatch(archive_stem(entry) or ""))
    ]
    if len(found) != 2 or len({match[0].lower() for _, match in found}) != 2:
        return None
    return _Pair([entry for entry, _ in found], found[0][1]["name"])


def _nearby(path: Path) -> str:
    """What to do about a missing path, with an archive of that name if there is one."""
    for suffix in (".tar.gz", ".tgz", ".zip", ".tar"):
        if (archive := path.with_name(path.name + suffix)).is_file():
            return f"; did you mean {archive}?"
    return "; give the folder or the archive of the pictures with --data-path"


def _nothing(path: Path, table: Table) -> str:
    if table.problems:
        reasons = Counter(reason for _, reason in table.problems).most_common(3)
        named = ", ".join(f"{reason} ({count})" for reason, count in reasons)
        return f"none of the {len(table.problems)} pictures in {path} can be used: {named}"
    archives = (
        [entry.name for entry in sorted(path.iterdir()) if archive_stem(entry)] if path.is_dir() else []
    )
    hint = f"it holds the archive {archives[0]}: give that" if archives else "give the folder of the faces"
    return f"no pictures in {path}, nor below; {hint}"
