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

from facecli.core.attributes import AGE_CLASSES, CLASS_NAMES, HEAD_CLASSES, wrong_in_head
from facecli.core.errors import InputError
from facecli.core.faces import Face, FrameResult, head_pose

_OLDEST = 200
"""Beyond that a number is no age in years."""

MAX_LINE_BYTES = 64 << 20
"""No picture has so many faces; a file without line ends must not fill the memory."""
_LONGEST_TEXT, _LONGEST_NAME = 1 << 16, 1 << 10
"""Letters of a source or an error, and of a model's name."""
_LARGEST_WHOLE, _LARGEST = 2**53, 1e10
"""Of numbers of frames and tracks, and of pixels and seconds (three centuries): sums of such are numbers."""
_PROBABILITIES = "_probabilities"
_BLOCK_BYTES = 1 << 20
_MOST_SAID = 100
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
        row = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", None) or "nested too deep or too large a number"
        raise RowError(f"not JSON ({reason})", is_syntax=True) from error
    if not isinstance(row, dict) or not isinstance(row.get("source"), str) or "faces" not in row:
        raise RowError("no row of 'facecli run --json' (it has no 'source' and 'faces')")
    if not isinstance(row["faces"], list):
        raise RowError("'faces' is not a list")
    return FrameResult(
        _text_of(row, "source", _LONGEST_TEXT) or "",
        width=_size(row, "width"),
        height=_size(row, "height"),
        faces=tuple(_face(face, number) for number, face in enumerate(row["faces"], start=1)),
        frame=_whole(row.get("frame", 0), "'frame'"),
        time_s=_bounded(row.get("time_s", 0.0), "'time_s'"),
        error=_text_of(row, "error", _LONGEST_TEXT),
        model=_text_of(row, "model", _LONGEST_NAME),
        truncated=row.get("truncated") is True,
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values of one name nobody can tell which was meant."""
    row = dict(pairs)
    if len(row) < len(pairs):
        raise RowError("a key appears twice")
    return row


def _refuse_constant(name: str) -> None:
    raise RowError(f"{name} is not a number of JSON")


def _text_of(row: Mapping[str, Any], key: str, longest: int) -> str | None:
    value = row.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise RowError(f"'{key}' is neither null nor a text")
    if len(value) > longest:
        raise RowError(f"'{key}' is a text of more than {longest:,} letters")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        # Half a letter of UTF-16, which no file can hold.
        raise RowError(f"'{key}' holds what is not text") from error
    return value


def _face(row: Any, number: int) -> Face:
    if not isinstance(row, dict):
        raise RowError(f"face {number} is not an object")
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
            further=_further(row),
        )
    except RowError as error:
        raise RowError(f"face {number}: {error}") from error


def _box(value: Any) -> tuple[int, int, int, int]:
    if not isinstance(value, list) or len(value) != 4:
        raise RowError("'box_xyxy' is not a list of four numbers")
    x_min, y_min, x_max, y_max = (int(_bounded(side, "'box_xyxy'")) for side in value)
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
    if max(abs(low), abs(high)) > _OLDEST:
        raise RowError("'age_interval_90' holds what is not an age")
    if low > high:
        raise RowError("'age_interval_90' runs backwards")
    return low, high


def _distribution(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != AGE_CLASSES:
        raise RowError(f"'age_distribution' is not a list of {AGE_CLASSES} probabilities")
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


def _further(row: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Of heads that the model brought, NAME and NAME_probabilities; what is none does not matter."""
    found = {}
    for key, value in row.items():
        head = key.removesuffix(_PROBABILITIES)
        if head == key or head in HEAD_CLASSES or not isinstance(row.get(head), str):
            continue
        if isinstance(value, dict) and wrong_in_head(head, tuple(value)) is None:
            shares = _normalised(list(value.values()), f"'{key}'")
            found[head] = dict(zip(value, shares, strict=True))
    return found


def _normalised(values: Sequence[Any], name: str) -> tuple[float, ...]:
    """As rows are rounded, their probabilities sum to nearly 1."""
    shares = [_number(value, name) for value in values]
    total = sum(shares)
    if min(shares) < 0 or not 0.9 <= total <= 1.1:
        raise RowError(f"{name} are not probabilities: they sum to {total:.3g}")
    return tuple(share / total for share in shares)


def _size(row: Mapping[str, Any], side: str) -> int | None:
    return None if row.get(side) is None else _whole(row[side], f"'{side}'")


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_WHOLE:
        raise RowError(f"{name} is not a whole number from 0 on")
    return value


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RowError(f"{name} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise RowError(f"{name} is not finite")
    return number


def _bounded(value: Any, name: str) -> float:
    number = _number(value, name)
    if abs(number) > _LARGEST:
        raise RowError(f"{name} contains a number that is too large")
    return number


class Row(NamedTuple):
    """A row and the file that holds it, as the file was given; `text` is its line."""

    file: str
    result: FrameResult
    text: str = ""


@dataclass
class Reading:
    """Counts of what was read, and what could not be.

    Attributes:
        files: as given.
        rows: lines that are rows, repeated ones too.
        damaged_lines: lines that are no rows.
        damaged: "file line 7: reason" of the first of them.
        cut: files whose last line ends in the middle, as those of a killed run do.
        repeated: rows that were there before, word for word.
        models: rows of each model that rows name; None stands for rows that name none.
    """

    files: list[str] = field(default_factory=list)
    rows: int = 0
    damaged_lines: int = 0
    damaged: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    repeated: int = 0
    models: Counter[str | None] = field(default_factory=Counter)

    def leave_out(self, line: str) -> None:
        """Counts a line that is no row, and keeps what is said of it if it is among the first."""
        self.damaged_lines += 1
        if len(self.damaged) < _MOST_SAID:
            self.damaged.append(line)


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
        rows, said = reading.rows, reading.damaged_lines + len(reading.cut)
        with _opened(file, stdin) as lines:
            yield from (Row(file, result, text) for result, text in _results(file, lines, reading, seen))
        if reading.rows == rows and reading.damaged_lines + len(reading.cut) > said:
            raise InputError(
                f"{_name(file)} holds no rows: {_first_reason(file, reading)}; name a file that "
                "'facecli run --json' wrote"
            )
    if not reading.rows:
        raise InputError(f"no rows in {', '.join(map(_name, reading.files))}: they are still empty")


def _results(
    file: str, lines: BinaryIO, reading: Reading, seen: set[bytes]
) -> Iterator[tuple[FrameResult, str]]:
    for number, line in enumerate(_lines(file, lines), start=1):
        if not line.strip():
            continue
        try:
            text = _text(line)
            result = parse_row(text)
        except RowError as error:
            # A killed run leaves a line without its end, and JSON that is cut is not JSON.
            if error.is_syntax and not line.endswith((b"\n", b"\r")):
                reading.cut.append(file)
            else:
                reading.leave_out(f"{_name(file)} line {number}: {error}")
            continue
        reading.rows += 1
        digest = hashlib.blake2b(line.strip(), digest_size=_DIGEST_BYTES).digest()
        if digest in seen:
            reading.repeated += 1
            continue
        seen.add(digest)
        reading.models[result.model] += 1
        yield result, text


def upgraded(row: Row, model: str | None = None) -> dict[str, Any]:
    """A row of any version in the keys of today's (docs/schema), which hold the numbers of then.

    Every row has today's keys of pictures, and faces with landmarks have the pose that follows from them.
    What an older version did not look for stays unknown: its key is not there. Keys not known here stay.

    Args:
        row: as `read_rows` gives it, with its text.
        model: name of the model of rows that name none.
    """
    old, result = json.loads(row.text), row.result
    new = {
        "source": result.source,
        "frame": result.frame,
        "time_s": result.time_s,
        "width": result.width,
        "height": result.height,
        "faces": [_upgraded_face(face) for face in old["faces"]],
        "error": result.error,
        "model": result.model if result.model is not None else model,
    }
    return new | {key: value for key, value in old.items() if key not in new}


def _upgraded_face(face: Mapping[str, Any]) -> dict[str, Any]:
    new = {}
    for key, value in face.items():
        new[key] = value
        if key == "landmarks" and _are_landmarks(value):
            pose = head_pose(value)._asdict()
            new |= {f"{name}_degrees": round(angle, 1) for name, angle in pose.items()}
    # What was written then stands, where it was written.
    return new | dict(face)


def _are_landmarks(value: Any) -> bool:
    """Five points, each two numbers."""
    points = value if isinstance(value, list) and len(value) == 5 else [None]
    try:
        return all(
            isinstance(point, list) and len([_bounded(side, "") for side in point]) == 2 for point in points
        )
    except RowError:
        return False


def _text(line: bytes) -> str:
    if len(line) > MAX_LINE_BYTES:
        raise RowError(f"a line of more than {MAX_LINE_BYTES >> 20} MB")
    try:
        return line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise RowError("not UTF-8 text", is_syntax=True) from error


def _lines(file: str, stream: BinaryIO) -> Iterator[bytes]:
    """Lines with their ends, of whatever system; of one that is too long only the beginning."""
    line, is_long = b"", False
    try:
        while block := stream.read(_BLOCK_BYTES):
            # The last piece may go on, and so may a "\r" whose "\n" comes later.
            *whole, line = (line + block).splitlines(keepends=True)
            for one in whole:
                if not is_long:
                    yield one
                is_long = False
            if len(line) > MAX_LINE_BYTES and not is_long:
                yield line
                is_long = True
            if is_long:
                # The rest of a line that was given already; its end alone is kept.
                line = line[-1:]
    except OSError as error:
        raise InputError(f"cannot read {_name(file)}: {error.strerror or error}") from error
    if line and not is_long:
        yield line


@contextlib.contextmanager
def _opened(file: str, stdin: BinaryIO | None) -> Iterator[BinaryIO]:
    if file == "-":
        if stdin is None and sys.stdin is None:
            raise InputError("cannot read standard input: it is closed; redirect rows to it")
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
