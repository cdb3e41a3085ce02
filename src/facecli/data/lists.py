"""Lists of labelled pictures, as anybody may write them: JSON (an array, or lines), CSV, Parquet.

A row names a picture (a path or an address), maybe a box, and labels: any further columns. Entries of
Dataturks' shape, with `content` and `annotation`, are rows, too. What labels mean is another matter
(`data.labels`); here they are text. A list is read row by row and kept by columns, so that a million rows
take a few hundred megabytes, and nothing of a stranger's file is believed.
"""

import codecs
import csv
import json
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from facecli.core.arrays import Array
from facecli.core.errors import DataError, InputError
from facecli.core.paths import how_to_install

MAX_ROWS = 1_000_000
MAX_VALUES = 1000
"""A column of more different values holds names or numbers, no labels."""
_MAX_ROW_LETTERS = 16 << 20
_CHUNK_LETTERS = 1 << 20
_MAX_LETTERS = 60
"""Of a label; longer ones are sentences."""
_MAX_NAME = 4096
_PICTURE = (
    "file", "path", "file_name", "filename", "image", "image_path", "img", "picture", "photo",
    "url", "address", "image_url", "content", "key", "src",
)  # fmt: skip
"""Columns that name the picture, in small letters; of several the first that is filled counts."""
_BOX = ("box", "box_xyxy")
_CORNERS = ("x_min", "y_min", "x_max", "y_max")
_BARE = ("label", "labels", "tag", "tags", "class", "classes")
"""Columns whose values say by themselves what they are about, such as "Emotion_Happy"."""
_UNNAMED = " "
_NO_LABELS = frozenset((*_PICTURE, *_BOX, *_CORNERS, _UNNAMED))
_NO_BOX = (float("nan"),) * 4
_NOTHING = ("", "nan", "null", "n/a", "na")
_MAX_COLUMNS = 1000
_MAX_CELLS = 100_000
"""Ways of writing labels that are remembered."""
_LARGEST = 1e9
"""Pixels."""
_SEPARATORS = re.compile(r"\s*[;|,]\s*")

Row = Mapping[str, Any]


class Label(NamedTuple):
    """A text that rows are labelled with, and the column in which it stands; "" for labels of no column."""

    column: str
    value: str

    def __str__(self) -> str:
        return f"{self.column}:{self.value}" if self.column else self.value


@dataclass(frozen=True)
class Listing:
    """The rows of a list.

    Attributes:
        pictures: for each row a path or an address as it stands there; "" where there is none.
        numbers: (n,) int32, which entry of the list a row comes from, from 1 on: one may hold several faces.
        boxes: (n, 4) float32 x_min, y_min, x_max, y_max, NaN without a box: pixels, or, where none is
            above 1, fractions of the picture.
        labels: the different labels.
        rows, ids: (m,) int32 each: a row, and which of `labels` it has.
        faults: row -> what is wrong with it.
        crowded: columns of too many different values for labels.
        strange: columns of lists and objects, which hold no labels.
    """

    pictures: Sequence[str]
    numbers: Array
    boxes: Array
    labels: tuple[Label, ...]
    rows: Array
    ids: Array
    faults: Mapping[int, str] = field(default_factory=dict)
    crowded: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[Label, int]:
        """Label -> rows that have it."""
        found = np.bincount(self.ids, minlength=len(self.labels)) if self.labels else ()
        return dict(zip(self.labels, map(int, found), strict=True))


def is_list(path: Path) -> bool:
    """May a file of that name be a list?"""
    return path.suffix.lower() in _READERS


def read_listing(path: Path) -> Listing:
    """Reads a list.

    Raises:
        DataError: no such list, cut, in another encoding than UTF-8, without rows or with too many, or
            without a column of pictures: one line with the place.
        InputError: a Parquet file, and nothing that reads it.
    """
    building = _Building(path)
    try:
        for number, row in enumerate(_READERS[path.suffix.lower()](path), start=1):
            building.add(number, row)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not in UTF-8 (byte {error.start:,} is not); save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except RecursionError as error:
        raise DataError(f"{path} is not a list: it is nested too deeply") from error
    except ValueError as error:
        # Such as a number of thousands of digits.
        raise DataError(f"{path} is not a list: {str(error).partition(';')[0]}") from error
    return building.finished()


class _Building:
    """A `Listing` in the making."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pictures: list[str] = []
        self._numbers, self._boxes = array("i"), array("f")
        self._rows, self._ids = array("i"), array("i")
        self._names: dict[Any, str] = {}
        self._known: dict[Label, int] = {}
        self._cells: dict[tuple[str, str], int] = {}
        self._values: dict[str, int] = {}
        self._faults: dict[int, str] = {}
        self._crowded: dict[str, None] = {}
        self._strange: dict[str, None] = {}

    def add(self, number: int, entry: Any) -> None:
        """Takes the next entry. Raises DataError."""
        if not isinstance(entry, dict):
            raise DataError(
                f"{self._path} is not a list of pictures: row {number:,} is not an object with names"
            )
        if isinstance(entry.get("annotation"), dict | list) and "content" in entry:
            for face in _dataturks(entry):
                self._add_row(number, face)
        else:
            self._add_row(number, entry)

    def _add_row(self, number: int, row: Row) -> None:
        position = len(self._pictures)
        if position >= MAX_ROWS:
            raise DataError(f"{self._path} has more than {MAX_ROWS:,} rows; cut it into several lists")
        by_name: dict[str, Any] = {}
        for key, value in row.items():
            name = self._names.get(key) or self._named(key)
            by_name[name] = value
            if name not in _NO_LABELS:
                self._label(position, str(key), name, value)
        picture = next((text for name in _PICTURE if (text := _text(by_name.get(name)))), "")
        if not picture or len(picture) > _MAX_NAME:
            self._faults[position] = "the picture's name is too long" if picture else "no picture is named"
        box = _box(by_name)
        if box is None:
            self._faults.setdefault(position, "the box is not x_min, y_min, x_max, y_max")
        self._pictures.append(picture[:_MAX_NAME])
        self._numbers.append(number)
        self._boxes.extend(box or _NO_BOX)

    def _named(self, key: Any) -> str:
        """What a column is called that was not seen before, in small letters. Raises DataError."""
        if len(self._names) >= _MAX_COLUMNS:
            raise DataError(
                f"{self._path} has more than {_MAX_COLUMNS:,} columns; it is not a list of pictures"
            )
        # A column without a name is the numbers that some programs write in front.
        self._names[key] = str(key).strip().lower() or _UNNAMED
        return self._names[key]

    def _label(self, position: int, column: str, name: str, value: Any) -> None:
        if name in _BARE:
            found = _SEPARATORS.split(value) if isinstance(value, str) else value
            for one in found if isinstance(found, list) else [found]:
                self._take(position, "", one)
        elif column not in self._crowded:
            self._take(position, column.strip(), value)

    def _take(self, position: int, column: str, value: Any) -> None:
        text = value if isinstance(value, str) else _text(value)
        known = self._cells.get((column, text))
        if known is None:
            if isinstance(value, dict | list):
                self._strange[column] = None
                return
            known = self._new(column, text)
        if known >= 0:
            self._rows.append(position)
            self._ids.append(known)

    def _new(self, column: str, text: str) -> int:
        """The number of a label as it was not written before; -1 for what is none."""
        label = Label(column, " ".join(_text(text).split()))
        if column in self._crowded or label.value.lower() in _NOTHING:
            return -1
        if label not in self._known:
            self._values[column] = self._values.get(column, 0) + 1
            if len(label.value) > _MAX_LETTERS or self._values[column] > MAX_VALUES:
                self._crowded[column] = None
                return -1
            self._known[label] = len(self._known)
        if len(self._cells) < _MAX_CELLS:
            self._cells[column, text] = self._known[label]
        return self._known[label]

    def finished(self) -> Listing:
        """What was read. Raises DataError when that is no list."""
        if not self._pictures:
            raise DataError(f"{self._path} is an empty list; write a row for each picture")
        if not set(_PICTURE) & set(self._names.values()):
            there = ", ".join(map(str, list(self._names)[:8])) or "none"
            raise DataError(
                f"no column of {self._path} names the pictures; call it file or url (its columns: {there})"
            )
        pairs = (self._rows, self._ids)
        rows, ids = (np.frombuffer(one, np.int32) if one else np.zeros(0, np.int32) for one in pairs)
        labels = tuple(self._known)
        # Of a column that turned out to be none, the first values were taken for labels.
        kept = np.array([label.column not in self._crowded for label in labels], bool)
        places = np.cumsum(kept, dtype=np.int32) - 1
        chosen = kept[ids]
        return Listing(
            self._pictures,
            np.frombuffer(self._numbers, np.int32),
            np.frombuffer(self._boxes, np.float32).reshape(-1, 4),
            tuple(label for label, is_one in zip(labels, kept, strict=True) if is_one),
            rows[chosen],
            places[ids[chosen]],
            self._faults,
            tuple(column or "label" for column in self._crowded),
            tuple(column or "label" for column in self._strange),
        )


def _text(value: Any) -> str:
    """A cell as text, as a person would have written it; "" for none."""
    if value is None or isinstance(value, Mapping | list):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    # What is no character has no place in a file name or a message.
    return str(value).strip().encode("utf-8", "replace").decode().replace("\0", "")


def _box(by_name: Row) -> tuple[float, ...] | None:
    """Four numbers, () without a box; None for what is no box."""
    given: Any = by_name.get("box") or by_name.get("box_xyxy")
    if not given:
        corners = [by_name.get(name) for name in _CORNERS]
        if all(corner in (None, "") for corner in corners):
            return ()
        given = corners
    if isinstance(given, str):
        given = given.strip("[]() ").replace(",", " ").split()
    try:
        x_min, y_min, x_max, y_max = map(float, given)
    except (TypeError, ValueError, OverflowError):
        return None
    whole = -_LARGEST < x_min < x_max < _LARGEST and -_LARGEST < y_min < y_max < _LARGEST
    return (x_min, y_min, x_max, y_max) if whole else None


def _dataturks(entry: Row) -> Iterator[Row]:
    """The faces of an entry of Dataturks: one for each area that was marked, or one for the picture."""
    given = entry["annotation"]
    marked: list[str] = []
    whole: list[str] = []
    areas = []
    for one in given if isinstance(given, list) else [given]:
        if not isinstance(one, Mapping):
            continue
        labels = one.get("label", one.get("labels", []))
        labels = [text for text in labels if isinstance(text, str)] if isinstance(labels, list) else [labels]
        if one.get("points"):
            areas.append({"content": entry["content"], "labels": labels, "box": _area(one)})
            marked += labels
        else:
            whole += labels
    if not areas:
        yield {"content": entry["content"], "labels": whole}
    for area in areas:
        yield {**area, "labels": [*area["labels"], *whole]}


def _area(marked: Row) -> Any:
    """The box around the points that somebody has set; text that is no box where they are none."""
    try:
        points = np.array(
            [
                (point["x"], point["y"]) if isinstance(point, Mapping) else tuple(point)
                for point in marked["points"]
            ],
            float,
        ).reshape(-1, 2)
        return [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]
    except (TypeError, ValueError, KeyError):
        return "no points"


def _opened(path: Path) -> TextIO:
    with open(path, "rb") as file:
        start = file.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path} is in UTF-16; save it in UTF-8")
    return open(path, encoding="utf-8-sig", newline="")


def _read_json(path: Path) -> Iterator[Any]:
    """The elements of an array, or an object on each line, whichever it is."""
    with _opened(path) as file:
        text = file.read(_CHUNK_LETTERS)
        start = text.lstrip()[:1]
        if start == "[":
            yield from _elements(path, file, text.lstrip()[1:])
        elif start == "{" or not start:
            file.seek(0)
            yield from _lines(path, file)
        else:
            raise DataError(f"{path} is not a JSON list: it begins with {start!r}, not with [ or {{")


def _elements(path: Path, file: TextIO, text: str) -> Iterator[Any]:
    """The elements of a JSON array of which `text` is the beginning, without holding all of it."""
    decoder, number, at, ended = json.JSONDecoder(), 1, 0, False
    while True:
        at = _skip(text, at, " \t\r\n,")
        if text[at : at + 1] == "]":
            return
        try:
            if at == len(text):
                raise json.JSONDecodeError("nothing", text, at)
            element, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            if ended or len(text) - at > _MAX_ROW_LETTERS:
                raise DataError(_broken(path, number, text, error)) from None
            more = file.read(_CHUNK_LETTERS)
            text, at, ended = text[at:] + more, 0, not more
            continue
        yield element
        number += 1


def _skip(text: str, at: int, letters: str) -> int:
    while at < len(text) and text[at] in letters:
        at += 1
    return at


def _broken(path: Path, number: int, text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return f"{path} ends in the middle of row {number:,}: it is cut; get the whole file"
    return f"{path} is not JSON: row {number:,}: {error.msg}"


def _lines(path: Path, file: TextIO) -> Iterator[Any]:
    number = 0
    while line := file.readline(_MAX_ROW_LETTERS):
        number += 1
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            if not file.read(1):
                raise DataError(_broken(path, number, line, error)) from None
            raise DataError(f"{path} is not JSON lines: line {number:,}: {error.msg}") from None


def _read_csv(path: Path) -> Iterator[Row]:
    with _opened(path) as file:
        header = file.readline(_CHUNK_LETTERS)
        mark = next((one for one in ("\t", ";") if one in header and "," not in header), ",")
        file.seek(0)
        reader = csv.reader(file, delimiter=mark)
        try:
            names = [name.strip() for name in next(reader, [])]
            if len(set(names)) < len(names):
                raise DataError(f"{path} has two columns of one name")
            for cells in reader:
                if len(cells) > len(names):
                    raise DataError(f"{path} line {reader.line_num:,} has more cells than the first line")
                if cells:
                    yield dict(zip(names, cells, strict=False))
        except csv.Error as error:
            raise DataError(f"{path} line {reader.line_num:,} is not CSV: {error}") from error


def _read_parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(f"reading {path} needs pyarrow: {how_to_install('parquet')}") from error
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=4096):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} is not a complete Parquet file ({reason}); get it again") from error


_READERS: dict[str, Callable[[Path], Iterable[Any]]] = {
    ".json": _read_json,
    ".jsonl": _read_json,
    ".ndjson": _read_json,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
}
