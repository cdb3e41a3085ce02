"""What an interrupted run has written already, and where its last whole row ends."""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facecli.core.errors import InputError, OutputError
from facecli.sinks.table import csv_lines, from_text_cell

_ROW_BEGINS = b'{"source": '
_MOST_LINE_BYTES = 64 << 20
"""No picture has so many faces; a file without line ends must not fill the memory."""


@dataclass
class Journal:
    """Sources that have their rows, each as often as it was written.

    Attributes:
        rows: source -> how many pictures of that name.
        failures: source -> why it could not be analysed.
        end: bytes of the file that hold whole rows.
    """

    rows: Counter = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    end: int = 0

    def take(self, source: str) -> bool:
        """Has the next picture of that name its rows? Each is given once."""
        if self.rows[source] <= 0:
            return False
        self.rows[source] -= 1
        return True


def resume_json(target: Path) -> Journal:
    """Reads the rows of an earlier run, and cuts off a last one that is not whole.

    Raises:
        InputError: the file holds something else: it is left as it is.
        OutputError: it cannot be read or cut.
    """
    journal = Journal()
    for number, line in enumerate(_lines(target), start=1):
        if not line.endswith(b"\n"):
            if not _begins(line, _ROW_BEGINS):
                raise _foreign(target, number)
            break
        source, error = _json_row(line, target, number)
        journal.rows[source] += 1
        if error is not None:
            journal.failures[source] = error
        journal.end += len(line)
    _cut(target, journal.end)
    return journal


def resume_csv(target: Path, columns: Sequence[str], is_raw: bool = False) -> Journal:
    """Like `resume_json`, of a table under a header.

    The rows of the last picture are cut off, too: nobody knows whether all of its faces are there.

    Args:
        target: file.
        columns: what the header must say.
        is_raw: texts were written as they are, see `sinks.table.as_text_cell`.
    """
    header = csv_lines([columns], is_raw).encode()
    journal = Journal()
    groups: list[tuple[int, dict[str, str]]] = []
    with _reading(target) as file:
        begin = file.read(len(header))
    if begin != header:
        if not _begins(begin, header) or len(begin) == len(header):
            raise InputError(
                f"{target} has not the columns of this run; give the same options, or another file"
            )
        _cut(target, 0)
        return journal
    journal.end = len(header)
    end, last_face = len(header), 0
    for record in _records(target, len(header)):
        row = _csv_row(record, columns, target)
        if not is_raw:
            row = {name: from_text_cell(cell) for name, cell in row.items()}
        if not groups or groups[-1][1]["source"] != row["source"] or _number(row) <= last_face:
            groups = [(end, row)]
            journal.end = end
            journal.rows[row["source"]] += 1
            if row["error"]:
                journal.failures[row["source"]] = row["error"]
        last_face = _number(row)
        end += len(record)
    if groups:
        journal.rows[groups[-1][1]["source"]] -= 1
    _cut(target, journal.end)
    return journal


def _number(row: dict) -> int:
    return int(row["face"] or 0)


def _json_row(line: bytes, target: Path, number: int) -> tuple[str, str | None]:
    try:
        row = json.loads(line)
        if isinstance(row["source"], str) and isinstance(row["faces"], list):
            if row["error"] is None or isinstance(row["error"], str):
                return row["source"], row["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise _foreign(target, number)


def _csv_row(record: bytes, columns: Sequence[str], target: Path) -> dict[str, str]:
    try:
        (cells,) = csv.reader(io.StringIO(record.decode(), newline=""))
        row = dict(zip(columns, cells, strict=True))
        _number(row)
    except (ValueError, csv.Error) as error:
        raise InputError(f"{target} is no table of facecli; name another file") from error
    return row


def _records(target: Path, begin: int) -> Iterator[bytes]:
    """Whole rows of a table, which may hold line ends between quotes; a cut last one is left out."""
    record, quotes = b"", 0
    for line in _lines(target, begin):
        record += line
        quotes += line.count(b'"')
        if line.endswith(b"\n") and quotes % 2 == 0:
            yield record
            record, quotes = b"", 0


def _lines(target: Path, begin: int = 0) -> Iterator[bytes]:
    with _reading(target) as file:
        file.seek(begin)
        while line := file.readline(_MOST_LINE_BYTES):
            if len(line) == _MOST_LINE_BYTES and not line.endswith(b"\n"):
                raise InputError(f"{target} has a line of more than {_MOST_LINE_BYTES >> 20} MB: no rows")
            yield line


def _reading(target: Path) -> io.BufferedReader:
    try:
        return open(target, "rb")
    except OSError as error:
        raise OutputError(f"cannot go on with {target}: {error.strerror or error}") from error


def _cut(target: Path, end: int) -> None:
    try:
        if os.stat(target).st_size != end:
            os.truncate(target, end)
    except OSError as error:
        raise OutputError(f"cannot go on with {target}: {error.strerror or error}") from error


def _begins(cut: bytes, whole: bytes) -> bool:
    """Is it the start of a row? A crash of the machine may leave zero bytes in its place."""
    kept = cut.rstrip(b"\0")
    return kept.startswith(whole) or whole.startswith(kept)


def _foreign(target: Path, number: int) -> InputError:
    return InputError(
        f"{target}, line {number}: no row of facecli", "--resume goes on with its own files only"
    )
