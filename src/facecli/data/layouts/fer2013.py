"""FER2013: seven emotions on 48x48 grey faces, as folders or as the CSV of the challenge.

https://www.kaggle.com/datasets/msambare/fer2013 (folders `train/CLASS/`, `test/CLASS/`) and
https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge
(`fer2013.csv`: emotion, pixels, Usage). Age, gender and race are missing labels. The column
`published_split` ("train" or "test") keeps the challenge's own division.
"""

import csv
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facecli.core.attributes import EMOTIONS
from facecli.core.console import with_bar
from facecli.core.errors import DataError, OutputError
from facecli.core.images import find_images
from facecli.data.table import Layout, Table, build_table

CSV_ORDER = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Class ids of the CSV; the column `emotion` of the table indexes `core.attributes.EMOTIONS`."""
CSV_FILES = ("fer2013.csv", "icml_face_data.csv")
SIDE = 48


def read_fer2013_folders(folder: Path) -> Table:
    """Reads `SPLIT/CLASS/picture`; pictures elsewhere are listed in `problems`."""
    rows, problems = [], []
    for path in find_images(folder):
        file = path.relative_to(folder).as_posix()
        emotion = path.parent.name.lower()
        if emotion in EMOTIONS:
            split = "test" if "test" in file.split("/")[0].lower() else "train"
            rows.append({"file": file, "emotion": EMOTIONS.index(emotion), "published_split": split})
        else:
            problems.append((file, f"unknown emotion '{path.parent.name}'"))
    return build_table(folder, rows, problems, source="fer2013")


def read_fer2013_csv(table: Path) -> tuple[Path, Table]:
    """Writes the CSV's pictures as PNG beside it (once) and reads them: (folder, table).

    The folder is `<name>_pictures/USAGE/CLASS/`. Rows that hold no picture are left out and
    listed in `problems`, by their line, when the pictures are written.

    Raises:
        DataError: not such a CSV.
        OutputError: the pictures cannot be written.
    """
    folder = table.parent / f"{table.stem}_pictures"
    problems = [] if folder.is_dir() else _write_pictures(table, folder)
    found = read_fer2013_folders(folder)
    return folder, Table(found.frame, sorted([*problems, *found.problems]))


def _write_pictures(table: Path, folder: Path) -> list[tuple[str, str]]:
    problems = []
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=table.parent))
        try:
            with open(table, newline="", encoding="utf-8") as file:
                for row in with_bar(_rows(table, file), f"unpacking {table.name}"):
                    if reason := _write_picture(row, temporary):
                        problems.append((f"line {row['line']}", reason))
            temporary.chmod(0o755)  # mkdtemp makes it private
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or error}") from error
    return problems


def _rows(table: Path, file: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Rows by lower-case column names, each with its `line`."""
    reader = csv.reader(file, skipinitialspace=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if not {"emotion", "pixels"} <= set(header):
            raise DataError(f"{table} has no columns emotion and pixels; it is not FER2013's table")
        for values in reader:
            yield {**dict(zip(header, values, strict=False)), "line": reader.line_num}
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{table} cannot be read as CSV ({error}); download it again") from error


def _write_picture(row: dict[str, Any], folder: Path) -> str:
    """Writes one row's picture; the reason why not, or ""."""
    try:
        emotion = dict(enumerate(CSV_ORDER))[int(row["emotion"])]
        pixels = np.array(row["pixels"].split(), dtype=np.int64)
    except (KeyError, ValueError, OverflowError):
        return "no emotion of 0..6, or pixels that are not numbers"
    if pixels.size != SIDE * SIDE or pixels.min() < 0 or pixels.max() > 255:
        return f"not {SIDE * SIDE} pixels of 0..255"
    # Only letters and digits of a column that comes from outside enter a path.
    usage = "".join(char for char in row.get("usage", "") if char.isalnum()) or "all"
    target = folder / usage / emotion / f"{row['line']:06d}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(".png", pixels.astype(np.uint8).reshape(SIDE, SIDE))[1]
    target.write_bytes(encoded.tobytes())
    return ""


def _find(folder: Path) -> Path | None:
    """The folder above `train/<emotion>/` (two emotions at least), or None."""
    for root, folders, _ in os.walk(folder):
        folders.sort()
        if "train" in folders:
            names = {entry.name.lower() for entry in Path(root, "train").iterdir() if entry.is_dir()}
            if len(names & set(EMOTIONS)) >= 2:
                return Path(root)
    return None


def _read(place: Path) -> tuple[Path, Table]:
    return read_fer2013_csv(place) if place.is_file() else (place, read_fer2013_folders(place))


LAYOUT = Layout(_read, is_table=lambda name: name in CSV_FILES, find=_find, crop=(-0.039, 0.082))
