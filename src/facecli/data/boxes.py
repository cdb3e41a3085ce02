"""Pictures with boxes of faces: read from the layouts in which such sets come, and split by group.

| layout | recognised by |
|---|---|
| table | `boxes.csv`: file, x_min, y_min, x_max, y_max; landmarks as left_eye_x ... right_mouth_y where there are any; `pictures.csv` (file, group) also names pictures without a face |
| WIDER FACE | `*_bbx_gt.txt`, its own annotation files |
| VOC | an XML file a picture |
| YOLO | a text file a picture: class, centre and size as fractions |
| none | pictures alone, whose faces a teacher has to find |
"""  # noqa: E501

import csv
import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from facecli.core.arrays import Array
from facecli.core.errors import DataError, ImageError, InputError
from facecli.core.image_header import read_header
from facecli.core.images import find_images, read_bytes
from facecli.data.archives import archive_stem, unpack

log: logging.Logger = logging.getLogger(__name__)

LANDMARK_NAMES = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""As a viewer sees them: the left eye is the one at the left of an upright picture."""
_LANDMARK_COLUMNS = tuple(f"{name}_{axis}" for name in LANDMARK_NAMES for axis in "xy")
_CORNERS = ("x_min", "y_min", "x_max", "y_max")
SHARES = {"test": 0.1, "val": 0.1}
"""Of groups; the others are trained on."""
_LARGEST_TABLE = 500 << 20
_NOBODY_LOOKED = ""
"""In place of a group."""


@dataclass(frozen=True)
class BoxPicture:
    """A picture and the faces that somebody marked in it.

    Attributes:
        file: of the picture.
        xyxy: (n, 4) float32 pixels, right and bottom exclusive; (0, 4) without a face.
        landmarks: (n, 5, 2) float32 pixels in the order of LANDMARK_NAMES; NaN where not known.
        ignored: (n,) bool: something that is neither to be found nor to be left out.
        group: what belongs together, and so into one split.
        labelled: False where nobody looked for faces.
    """

    file: Path
    xyxy: Array
    landmarks: Array
    ignored: Array
    group: str
    labelled: bool = True


@dataclass(frozen=True)
class BoxSet:
    """A data set of such pictures. `problems` are lines that were left out, and why."""

    name: str
    pictures: tuple[BoxPicture, ...]
    problems: tuple[str, ...] = ()

    def split(self, name: str, seed: int) -> list[BoxPicture]:
        """The pictures of "train", "val", "test" or "all": a pure function of group and seed."""
        return [one for one in self.pictures if name in ("all", split_of(one.group, seed))]


def split_of(group: str, seed: int) -> str:
    """The split that a group lies in."""
    drawn = int.from_bytes(hashlib.sha256(f"{seed} {group}".encode()).digest()[:4], "big") / 2**32
    for name, share in SHARES.items():
        if drawn < share:
            return name
        drawn -= share
    return "train"


@dataclass
class _Reading:
    """What is known while a set is read: file -> rows of 4 corners and 10 landmark values, ignored or not."""

    folder: Path
    rows: dict[Path, list[tuple[list[float], bool]]] = field(default_factory=dict)
    groups: dict[Path, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, file: Path, values: Sequence[float], where: str, ignored: bool = False) -> None:
        """Takes a box with or without landmarks, or says why not."""
        corners = [float(value) for value in values[:4]]
        if not np.isfinite(corners).all() or max(map(abs, corners)) > 1e6:
            self.problems.append(f"{where}: a corner of the box is not a number that a picture could have")
        elif corners[2] <= corners[0] or corners[3] <= corners[1]:
            self.problems.append(f"{where}: the box has no size")
        else:
            points = [float(value) for value in values[4:]] or [float("nan")] * len(_LANDMARK_COLUMNS)
            self.rows.setdefault(file, []).append((corners + points, ignored))


def open_boxes(path: Path, progress: bool = True) -> BoxSet:
    """Reads a set of any of the layouts above from a folder or an archive.

    Raises:
        InputError: no such path, or a file that is no archive.
        DataError: no picture in it, or a damaged annotation file.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise InputError(f"no such data set: {path}; give the folder or the archive with --data-path")
    if path.is_file():
        stem = archive_stem(path)
        if stem is None:
            raise InputError(f"{path} is not a data set; give a folder or a .tar.gz or .zip archive")
        path = unpack([path], stem, progress)
    reading = _read(path)
    there = {file for file in reading.rows.keys() | reading.groups.keys() if file.is_file()}
    missing = sorted(map(str, reading.rows.keys() - there))
    if missing:
        reading.problems.append(f"{len(missing)} pictures are not there, such as {missing[0]}")
    if not there:
        raise DataError(f"no picture with boxes in {path}; see docs/detector.md for the layouts")
    for problem in reading.problems[:3]:
        log.warning("left out: %s", problem)
    if len(reading.problems) > 3:
        log.warning("left out for such reasons: %d in all", len(reading.problems))
    return BoxSet(
        path.name, tuple(_picture(file, reading) for file in sorted(there)), tuple(reading.problems)
    )


def _read(folder: Path) -> _Reading:
    for pattern, read in _LAYOUTS:
        if found := sorted(folder.rglob(pattern)):
            return read(folder, found)
    return _read_yolo(folder, sorted(folder.rglob("*.txt")))


def _picture(file: Path, reading: _Reading) -> BoxPicture:
    rows = reading.rows.get(file, [])
    values = np.array([row for row, _ in rows], np.float32).reshape(len(rows), 14)
    return BoxPicture(
        file,
        values[:, :4],
        values[:, 4:].reshape(-1, 5, 2),
        np.array([ignored for _, ignored in rows], bool),
        reading.groups.get(file) or file.name,
        labelled=reading.groups.get(file) != _NOBODY_LOOKED,
    )


def _read_tables(folder: Path, tables: Sequence[Path]) -> _Reading:
    reading = _Reading(folder)
    for table in tables:
        pictures = table.parent / "pictures"
        root = pictures if pictures.is_dir() else table.parent
        for line, row in _csv_rows(table, ("file", *_CORNERS)):
            names = (*_CORNERS, *_LANDMARK_COLUMNS) if row.get(_LANDMARK_COLUMNS[0]) else _CORNERS
            try:
                values = [float(row[name]) for name in names]
            except (KeyError, TypeError, ValueError):
                reading.problems.append(f"{table}:{line}: a corner is not a number")
                continue
            reading.add(_below(root, row["file"]), values, f"{table}:{line}")
        if (listed := table.with_name("pictures.csv")).is_file():
            for _, row in _csv_rows(listed, ("file",)):
                reading.groups[_below(root, row["file"])] = row.get("group") or row["file"]
    return reading


def _csv_rows(path: Path, needed: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Lines from 2 on with their fields. Raises DataError for what is no such table."""
    rows = csv.DictReader(_text(path).splitlines())
    missing = [name for name in needed if name not in (rows.fieldnames or ())]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}")
    try:
        yield from enumerate(rows, start=2)
    except csv.Error as error:
        raise DataError(f"{path} is not a table: {error}") from error


def _below(root: Path, name: str) -> Path:
    """A file beside the table, or of a folder beside that one, and nowhere else."""
    file = (root / name).resolve()
    if not file.is_relative_to(root.resolve().parent):
        raise DataError(f"{name} lies outside of {root.parent}")
    return file


def _read_wider(folder: Path, files: Sequence[Path]) -> _Reading:
    reading = _Reading(folder)
    pictures = {file.name: file.resolve() for file in find_images(folder)}
    for path in files:
        lines = _text(path).splitlines()
        index = 0
        while index < len(lines):
            name = lines[index].strip()
            index = _wider_picture(reading, path, lines, index, pictures.get(Path(name).name, folder / name))
    return reading


def _wider_picture(reading: _Reading, path: Path, lines: list[str], index: int, file: Path) -> int:
    """Reads one picture's lines and returns where the next begins. Raises DataError for a cut file."""
    try:
        count = int(lines[index + 1])
        # A picture without a face has one line of zeros.
        boxes = [[float(value) for value in line.split()] for line in lines[index + 2 :][: max(count, 1)]]
    except (IndexError, ValueError):
        raise DataError(f"{path}:{index + 1}: not a picture, a count and boxes; download it again") from None
    if len(boxes) < count or any(len(box) < 4 for box in boxes):
        raise DataError(f"{path} ends in the middle of a picture; download it again")
    reading.groups[file] = file.stem
    for offset, (x, y, width, height, *rest) in enumerate(boxes[:count]):
        invalid = len(rest) > 3 and rest[3] == 1
        if width > 0 and height > 0:
            where = f"{path}:{index + 3 + offset}"
            reading.add(file, [x, y, x + width, y + height], where, ignored=invalid)
    return index + 2 + max(count, 1)


def _read_voc(folder: Path, files: Sequence[Path]) -> _Reading:
    reading = _Reading(folder)
    pictures = {file.stem: file.resolve() for file in find_images(folder)}
    for path in files:
        text = _text(path)
        if "<!ENTITY" in text or "<!DOCTYPE" in text:
            raise DataError(f"{path} declares XML entities, which annotations do not need; refused")
        try:
            root = ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            raise DataError(f"{path} is not XML: {error}") from error
        file = pictures.get(Path(root.findtext("filename") or path.stem).stem) or pictures.get(path.stem)
        if root.tag != "annotation" or file is None:
            reading.problems.append(f"{path}: no annotation of a picture that is here")
            continue
        reading.groups[file] = file.stem
        for box in root.iter("bndbox"):
            try:
                corners = [float(box.findtext(name) or "") for name in ("xmin", "ymin", "xmax", "ymax")]
            except ValueError:
                reading.problems.append(f"{path}: a corner is not a number")
                continue
            reading.add(file, corners, str(path))
    return reading


def _read_yolo(folder: Path, files: Sequence[Path]) -> _Reading:
    """YOLO's text files, or pictures alone where there are none."""
    reading = _Reading(folder)
    pictures = find_images(folder)
    stems = {picture.stem for picture in pictures}
    labels = {path.stem: path for path in files if path.stem in stems}
    for picture in pictures:
        file, path = picture.resolve(), labels.get(picture.stem)
        if path is None:
            # Of a set with labels a picture without a file has no face; of one without, nobody looked.
            reading.groups[file] = file.stem if labels else _NOBODY_LOOKED
            continue
        reading.groups[file] = file.stem
        for number, line in enumerate(_text(path).splitlines(), start=1):
            if line.strip():
                _add_yolo(reading, file, line, f"{path}:{number}")
    return reading


def _add_yolo(reading: _Reading, file: Path, line: str, where: str) -> None:
    if not re.fullmatch(r"\s*\d+(\s+[-+.\deE]+){4,}\s*", line):
        raise DataError(f"{where}: not a class and four fractions")
    try:
        x, y, width, height = (float(value) for value in line.split()[1:5])
        header = read_header(read_bytes(file), file.name)
    except (ValueError, ImageError) as error:
        reading.problems.append(f"{where}: {error}")
        return
    sides = np.array([header.width, header.height] * 2, float)
    corners = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2]) * sides
    reading.add(file, corners.tolist(), where)


def _text(path: Path) -> str:
    """Raises DataError for what is no text, or far too long."""
    try:
        if path.stat().st_size > _LARGEST_TABLE:
            raise DataError(f"{path} is larger than any annotation file")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text") from error


_LAYOUTS = (("boxes.csv", _read_tables), ("*_bbx_gt.txt", _read_wider), ("*.xml", _read_voc))
