"""Files of rows, line by line; what is not as `facecli run` wrote it is left out and remembered."""

import contextlib
import hashlib
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from facecli.core.attributes import AGE_CLASSES, CLASS_NAMES
from facecli.core.errors import InputError
from facecli.core.faces import Face, FrameResult

_OLDEST = 200
"""Beyond that a number is no age in years."""

MAX_LINE_BYTES = 64 << 20
"""No picture has so many faces; a file without line ends must not fill the memory."""
_DIGEST_BYTES = 16


class RowError(Exception):
    """A line that is no row, and why; `is_syntax` when it is not even JSON."""

    def __init__(self, reason: str, is_syntax: bool = False) -> None:
        super().__init__(reason)
        self.is_syntax = is_syntax


def parse_row(text: str) -> FrameResult:
    """The row that a line of JSON holds; keys that are not known here do not matter.

    Raises RowError: not JSON, no row, or a value of another type or range than docs/output.md says.
    """
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", None) or "nested too deep or too large a number"
        raise RowError(f"not JSON ({reason})", is_syntax=True) from error
    if not isinstance(row, dict) or not isinstance(row.get("source"), str) or "faces" not in row:
        raise RowError("no row of 'facecli run --json' (it has no 'source' and 'faces')")
    failure = row.get("error")
    if failure is not None and not isinstance(failure, str):
        raise RowError("'error' is neither null nor a text")
    model = row.get("model")
    if model is not None and not isinstance(model, str):
        raise RowError("'model' is neither null nor a text")
    if not isinstance(row["faces"], list):
        raise RowError("'faces' is no list")
    return FrameResult(
        row["source"],
        width=_size(row, "width"),
        height=_size(row, "height"),
        faces=tuple(_face(face, number) for number, face in enumerate(row["faces"], start=1)),
        frame=_whole(row.get("frame", 0), "'frame'"),
        time_s=_number(row.get("time_s", 0.0), "'time_s'"),
        error=failure,
        model=model,
    )


def _face(row: Any, number: int) -> Face:
    if not isinstance(row, dict):
        raise RowError(f"face {number} is no object")
    try:
        rejected = row.get("rejected", False)
        if not isinstance(rejected, bool):
            raise RowError("'rejected' is neither true nor false")
        return Face(
            _box(row.get("box_xyxy")),
            _number(row.get("detector_confidence", 0.0), "'detector_confidence'"),
            rejected=rejected,
            track=None if row.get("track") is None else _whole(row["track"], "'track'"),
            **_ages(row),
            gender_probabilities=_probabilities(row, "gender"),
            race_probabilities=_probabilities(row, "race"),
            emotion_probabilities=_probabilities(row, "emotion"),
        )
    except RowError as error:
        raise RowError(f"face {number}: {error}") from error


def _box(value: Any) -> tuple[int, int, int, int]:
    if not isinstance(value, list) or len(value) != 4:
        raise RowError("'box_xyxy' is no list of four numbers")
    x_min, y_min, x_max, y_max = (int(_number(side, "'box_xyxy'")) for side in value)
    return x_min, y_min, x_max, y_max


def _ages(row: Mapping[str, Any]) -> dict[str, Any]:
    if row.get("age_years") is None:
        return {}
    years = _number(row["age_years"], "'age_years'")
    if not 0 <= years <= _OLDEST:
        raise RowError(f"'age_years' is {years:g}, not an age")
    return {
        "age_years": years,
        "age_interval_90": _interval(row.get("age_interval_90")),
        "age_distribution": _distribution(row.get("age_distribution")),
    }


def _interval(value: Any) -> tuple[float, float] | None:
    if value is None or value == []:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise RowError("'age_interval_90' is not [low, high]")
    low, high = (_number(bound, "'age_interval_90'") for bound in value)
    if low > high:
        raise RowError("'age_interval_90' runs backwards")
    return low, high


def _distribution(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != AGE_CLASSES:
        raise RowError(f"'age_distribution' is no list of {AGE_CLASSES} probabilities")
    return _normalised(value, "'age_distribution'")


def _probabilities(row: Mapping[str, Any], head: str) -> dict[str, float] | None:
    key = f"{head}_probabilities"
    value = row.get(key)
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != set(CLASS_NAMES[head]):
        raise RowError(f"'{key}' does not hold {', '.join(CLASS_NAMES[head])}")
    names = CLASS_NAMES[head]
    return dict(zip(names, _normalised([value[name] for name in names], f"'{key}'"), strict=True))


def _normalised(values: Sequence[Any], name: str) -> tuple[float, ...]:
    """As rows are rounded, their probabilities sum to nearly 1."""
    shares = [_number(value, name) for value in values]
    total = sum(shares)
    if min(shares) < 0 or not 0.9 <= total <= 1.1:
        raise RowError(f"{name} are no probabilities: they sum to {total:.3g}")
    return tuple(share / total for share in shares)


def _size(row: Mapping[str, Any], side: str) -> int | None:
    return None if row.get(side) is None else _whole(row[side], f"'{side}'")


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RowError(f"{name} is no whole number from 0 on")
    return value


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RowError(f"{name} is no number")
    if not math.isfinite(value):
        raise RowError(f"{name} is not finite")
    return value


class Row(NamedTuple):
    """A row and the file that holds it, as the file was given."""

    file: str
    result: FrameResult


@dataclass
class Reading:
    """Counts of what was read, and what could not be.

    Attributes:
        files: as given.
        rows: lines that are rows, repeated ones too.
        damaged: "file line 7: reason" of each line that is no row.
        cut: files whose last line ends in the middle, as those of a killed run do.
        repeated: rows that were there before, word for word.
        models: rows of each model that rows name; None stands for rows that name none.
    """

    files: list[str] = field(default_factory=list)
    rows: int = 0
    damaged: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    repeated: int = 0
    models: Counter[str | None] = field(default_factory=Counter)


def read_rows(files: Iterable[str], reading: Reading, stdin: BinaryIO | None = None) -> Iterator[Row]:
    """The rows of JSON Lines files ("-" is standard input), each row once.

    Args:
        files: paths.
        reading: counts, filled as rows are taken.
        stdin: what "-" means; None takes that of the process.

    Raises:
        InputError: a file cannot be read, or has lines and not one of them is a row; and at the end,
            when no file had a row.
    """
    seen: set[bytes] = set()
    for file in files:
        reading.files.append(file)
        rows, said = reading.rows, len(reading.damaged) + len(reading.cut)
        with _opened(file, stdin) as lines:
            yield from (Row(file, result) for result in _results(file, lines, reading, seen))
        if reading.rows == rows and len(reading.damaged) + len(reading.cut) > said:
            raise InputError(
                f"{_name(file)} holds no rows: {_first_reason(file, reading)}; name a file that "
                "'facecli run --json' wrote"
            )
    if not reading.rows:
        raise InputError(f"no rows in {', '.join(map(_name, reading.files))}: nothing was written there yet")


def _results(file: str, lines: BinaryIO, reading: Reading, seen: set[bytes]) -> Iterator[FrameResult]:
    for number, line in enumerate(_lines(file, lines), start=1):
        if not line.strip():
            continue
        try:
            result = parse_row(_text(line))
        except RowError as error:
            # A killed run leaves a line without its end, and JSON that is cut is not JSON.
            if not line.endswith(b"\n") and error.is_syntax:
                reading.cut.append(file)
            else:
                reading.damaged.append(f"{_name(file)} line {number}: {error}")
            continue
        reading.rows += 1
        digest = hashlib.blake2b(line.strip(), digest_size=_DIGEST_BYTES).digest()
        if digest in seen:
            reading.repeated += 1
            continue
        seen.add(digest)
        reading.models[result.model] += 1
        yield result


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise RowError("not UTF-8 text", is_syntax=True) from error


def _lines(file: str, lines: BinaryIO) -> Iterator[bytes]:
    try:
        while line := lines.readline(MAX_LINE_BYTES):
            if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                raise InputError(f"{_name(file)} has a line of more than {MAX_LINE_BYTES >> 20} MB: no rows")
            yield line
    except OSError as error:
        raise InputError(f"cannot read {_name(file)}: {error.strerror or error}") from error


@contextlib.contextmanager
def _opened(file: str, stdin: BinaryIO | None) -> Iterator[BinaryIO]:
    if file == "-":
        yield stdin or sys.stdin.buffer
        return
    path = Path(file)
    if path.is_dir():
        raise InputError(f"{file} is a folder; name the files in it that 'facecli run --json' wrote")
    try:
        opened = open(path, "rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {file}: {reason}; check the path") from error
    with opened:
        yield opened


def _first_reason(file: str, reading: Reading) -> str:
    prefix = f"{_name(file)} "
    return next((text.removeprefix(prefix) for text in reading.damaged if text.startswith(prefix)), "cut off")


def _name(file: str) -> str:
    return "standard input" if file == "-" else file
