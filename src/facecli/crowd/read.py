"""Files of rows, line by line: what is damaged is left out and remembered."""

import contextlib
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from facecli.crowd.parse import RowError, parse_row
from facecli.errors import InputError
from facecli.faces import FrameResult

MAX_LINE_BYTES = 64 << 20
"""No picture has so many faces; a file without line ends must not fill the memory."""
_DIGEST_BYTES = 16


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
    """

    files: list[str] = field(default_factory=list)
    rows: int = 0
    damaged: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    repeated: int = 0


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
