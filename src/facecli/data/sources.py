"""Any known data set, from a folder, an archive, its table or a list: recognised, read, and cut to crops.

| layout | recognised by |
|---|---|
| WIKI | a file `wiki.mat` |
| FairFace | files `fairface_label_*.csv` |
| FER2013 | `fer2013.csv` or `icml_face_data.csv`, or folders `train/<emotion>/` |
| no faces | a folder `not_face/` (in it, or in `train/` and `test/`) |
| UTKFace | none of these: the file names carry the labels |

A file that is none of their tables may be a list of pictures, see `data.lists`.
"""

import hashlib
import logging
import os
import re
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from facecli.core import paths
from facecli.core.arrays import Array
from facecli.core.console import with_bar
from facecli.core.crops import WHOLE_CHIP_MARGIN, crop_face, tighter_crop
from facecli.core.errors import DataError, InputError
from facecli.core.images import load_image
from facecli.core.registry import Registry
from facecli.data.archives import archive_stem, unpack
from facecli.data.listed import PLAIN, ListOptions, read_list
from facecli.data.lists import is_list
from facecli.data.table import Layout, Table

log: logging.Logger = logging.getLogger(__name__)

LAYOUTS = Registry(
    "data set",
    Layout,
    "LAYOUT",
    "facecli.data.layouts",
    "facecli.datasets",
    last=("utkface",),
)
"""Each is asked in turn; UTKFace's comes last, since any folder may be one."""
CACHE_VERSION = 2
"""Raised when the same file would give other pixels (decoding or cropping changed)."""
_PAIR = re.compile(r"(?P<name>dataset)_[12]", re.IGNORECASE)
"""The ancestor project's data set came in two archives."""


class _Pair(NamedTuple):
    """Both archives, and the name of the folder that they are unpacked to."""

    archives: list[Path]
    name: str


@cache
def layouts() -> tuple[Layout, ...]:
    """All that are here. What another package brings may be broken: the rest is read all the same."""
    found = {}
    for name in LAYOUTS.names():
        try:
            found[name] = LAYOUTS.find(name)
        except InputError as error:
            log.warning("left out: %s", error)
    (last,) = LAYOUTS.last
    return (*(layout for name, layout in found.items() if name != last), found[last])


def crop_of(source: str) -> tuple[float, float]:
    """(margin, shift_y) for the pictures of a table's `source`, see `data.table.Layout`."""
    return LAYOUTS.find(source).crop if source in LAYOUTS.names() else (0.0, 0.0)


def open_dataset(path: Path, progress: bool = True, lists: ListOptions = PLAIN) -> tuple[Path, Table]:
    """Reads a data set of any known layout.

    Args:
        path: a folder (searched recursively), a .tar.gz, .tgz, .tar or .zip archive (unpacked
            into the data folder, once), either of `dataset_1.tar.gz` and `dataset_2.tar.gz` or the
            folder of both, a table (`wiki.mat`, FairFace's or FER2013's CSV), or a list of pictures
            (JSON, CSV or Parquet), which may lie elsewhere: they are fetched.
        progress: draw a bar while unpacking.
        lists: how lists are read.

    Returns:
        The folder that the table's files are relative to, and the table with at least a row.

    Raises:
        InputError: no such path, or a file that is no data set.
        DataError: nothing usable in it.
    """
    path = check_dataset(path)
    if names_pictures(path):
        folder, table = read_list(path, lists)
    else:
        folder, table = _read_file(path, progress) if path.is_file() else _read_folder(path, progress)
    if table.frame.empty:
        raise DataError(_nothing(path, table))
    return folder, table


def names_pictures(path: Path) -> bool:
    """Is it a list, and no table of a known layout?"""
    return is_list(path) and path.is_file() and _layout_of(path.name) is None


def check_dataset(path: Path) -> Path:
    """The path with the home of "~". Raises InputError when nothing is there."""
    path = Path(path).expanduser()
    if not path.exists():
        raise InputError(f"no such data set: {path}{_nearby(path)}")
    return path


def _read_folder(folder: Path, progress: bool) -> tuple[Path, Table]:
    if pair := _pair_in(folder):
        return _read_folder(unpack(pair.archives, pair.name, progress), progress)
    if found := _find_table(folder):
        table, layout = found
        return layout.read(table)
    places = ((layout, layout.find(folder)) for layout in layouts())
    return next(layout.read(place) for layout, place in places if place is not None)


def _read_file(path: Path, progress: bool) -> tuple[Path, Table]:
    stem = archive_stem(path)
    if stem is None:
        layout = _layout_of(path.name)
        if layout is None:
            raise InputError(
                f"{path} is not a data set; give a folder, a .tar.gz or .zip archive, wiki.mat, a label CSV, "
                "or a list (.json, .jsonl, .csv, .tsv, .parquet)"
            )
        return layout.read(path)
    if _PAIR.fullmatch(stem):
        pair = _pair_in(path.parent)
        if pair is None:
            raise DataError(f"{path} is one of two archives; put dataset_1 and dataset_2 into one folder")
        return _read_folder(unpack(pair.archives, pair.name, progress), progress)
    return _read_folder(unpack([path], stem, progress), progress)


def _layout_of(name: str) -> Layout | None:
    """The layout whose labels lie in a file of that name."""
    return next((layout for layout in layouts() if layout.is_table(name.lower())), None)


def _find_table(folder: Path) -> tuple[Path, Layout] | None:
    """The outermost file that names a layout, and that layout."""
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if layout := _layout_of(name):
                return Path(root, name), layout
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


def load_crops(
    frame: pd.DataFrame,
    folder: Path,
    image_size: tuple[int, int],
    margin: float = WHOLE_CHIP_MARGIN,
    cache: Path | None = None,
) -> Array:
    """Decodes every picture of a table as one face chip.

    Args:
        frame: rows with `file`, `sha256` and `source`; pictures are cut by the `crop` of its layout, so
            that the face lies as in UTKFace's.
        folder: what `file` is relative to.
        image_size: (height, width) of the crops.
        margin: see `core.crops.crop_face`; the box is the whole picture.
        cache: folder of the cached arrays; facecli's cache folder by default.

    Returns:
        (n, h, w, 3) uint8 RGB, a row for each row of the table; (0, h, w, 3) for none.

    Raises:
        ImageError: a picture cannot be decoded.
    """
    if frame.empty:
        return np.zeros((0, *image_size, 3), np.uint8)
    cut_of = {source: tighter_crop(crop_of(source), margin) for source in frame["source"].unique()}
    cuts = [cut_of[source] for source in frame["source"]]
    store = (cache or paths.cache_dir() / "crops") / f"{_key(frame['sha256'], image_size, cuts)}.npy"
    if store.is_file():
        log.debug("crops from %s", store)
        return np.load(store, allow_pickle=False)
    crops = np.empty((len(frame), *image_size, 3), np.uint8)
    with ThreadPoolExecutor() as pool:
        files = [folder / file for file in frame["file"]]
        decoded = pool.map(lambda file, cut: _crop(file, image_size, *cut), files, cuts)
        for row, crop in enumerate(with_bar(decoded, "decoding", len(files))):
            crops[row] = crop
    with paths.replacing(store) as temporary, open(temporary, "wb") as file:
        np.save(file, crops, allow_pickle=False)
    return crops


def _crop(file: Path, image_size: tuple[int, int], margin: float, shift_y: float) -> Array:
    image = load_image(file)
    height, width = image.shape[:2]
    return crop_face(image, (0, 0, width, height), margin, image_size, shift_y)


def _key(hashes: Iterable[str], image_size: tuple[int, int], cuts: Iterable[tuple[float, float]]) -> str:
    """Digest of all that decides the pixels."""
    recipe = f"{CACHE_VERSION} {image_size[0]}x{image_size[1]} "
    pictures = (
        f"{key} {margin:.4f} {shift_y:.4f}" for key, (margin, shift_y) in zip(hashes, cuts, strict=True)
    )
    return hashlib.sha256((recipe + " ".join(pictures)).encode()).hexdigest()[:24]
