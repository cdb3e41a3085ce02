"""Rows for programs and spreadsheets: JSON and CSV, and Parquet.

A later run goes on with JSON and CSV: a journal tells what an interrupted one has written already, and where
its last whole row ends.
"""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from facecli.core.attributes import ClassNames
from facecli.core.errors import InputError, OutputError
from facecli.core.files import AtomicFile, GrowingTextFile, worth_writing
from facecli.core.paths import is_storage_address, is_stream
from facecli.schema import CLASS_COLUMNS, COLUMNS, FurtherColumns, class_columns, face_schema, flattened
from facecli.sinks.base import Record
from facecli.sinks.table import csv_lines, from_text_cell
from facecli.sources.files import Item

if TYPE_CHECKING:
    from facecli.sources.cloud import Spool

_ROWS_AT_ONCE = 5000
_ROW_BEGINS = b'{"source": '
_MOST_LINE_BYTES = 64 << 20
"""No picture has so many faces; a file without line ends must not fill the memory."""


def flat_rows(record: Record, more: FurtherColumns | None = None) -> Iterator[dict[str, Any]]:
    """Rows as column -> value; None for what is not known.

    Args:
        record: of one picture or frame.
        more: further columns, each with the keys that lead to it in a face's JSON row, or else the picture's.
    """
    return flattened(record.result.to_json(), more)


@dataclass
class Journal:
    """Sources that have their rows, each as often as it was written.

    Attributes:
        rows: source -> how many pictures of that name.
        failures: source -> why it could not be analysed.
        end: bytes of the file that hold whole rows.
    """

    rows: Counter[str] = field(default_factory=Counter)
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
                f"{target} does not have the columns of this run; give the same options, or another file"
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


def _number(row: dict[str, Any]) -> int:
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
        raise InputError(f"{target} is not a table of facecli; name another file") from error
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
        raise OutputError(f"cannot continue {target}: {error.strerror or error}") from error


def _cut(target: Path, end: int) -> None:
    try:
        if os.stat(target).st_size != end:
            os.truncate(target, end)
    except OSError as error:
        raise OutputError(f"cannot continue {target}: {error.strerror or error}") from error


def _begins(cut: bytes, whole: bytes) -> bool:
    """Is it the start of a row? A crash of the machine may leave zero bytes in its place."""
    kept = cut.rstrip(b"\0")
    return kept.startswith(whole) or whole.startswith(kept)


def _foreign(target: Path, number: int) -> InputError:
    return InputError(
        f"{target}, line {number}: no row of facecli", "--resume can continue only files that facecli wrote"
    )


class RowSink:
    """Text for each record, written at once and flushed; with `resume` it goes on where a file ends.

    Attributes:
        target: a path, or "-" for standard output.
        journal: once entered, what was there already.
        has_begun: something was written to the target; then nothing of an older file is left there.
    """

    target: str

    wants_image = False

    def __init__(
        self, target: str, resume: bool = False, stdout: TextIO | None = None, appends: bool = False
    ) -> None:
        """Takes where to write.

        Args:
            target: a path, or "-" for standard output, which cannot be resumed.
            resume: go on where the file ends, after a run that may have been cut off.
            stdout: in place of standard output.
            appends: go on behind what this run has written whole, as another sink.
        """
        self.target, self._resumes = target, resume and not is_stream(target)
        self._stdout, self._appends = stdout, self._resumes or appends
        self._spool: Spool | None = None
        self._file: GrowingTextFile | None = None
        self._skipped: Counter[str] = Counter()
        self.journal: Journal = Journal()
        self.has_begun: bool = False

    def __enter__(self) -> "RowSink":
        """Raises OutputError when the file cannot be written.

        Raises InputError when it holds something else, or when another run writes to it.
        """
        local = self.target
        if is_storage_address(self.target):
            self._spool = _spool_of(self.target, self._appends)
            local = str(self._spool.path)
        self._file = GrowingTextFile(local, self._stdout, append=self._appends)
        try:
            self._file.__enter__()
            if self._resumes:
                # Locked before it is read: what another run writes now is no cut row.
                self.journal = self._read_journal(Path(local))
        except BaseException:
            self._file.__exit__()
            if self._spool is not None:
                self._spool.discard()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """Raises OutputError when a file cannot be closed, or does not reach the storage."""
        if self._file is not None:
            self._file.__exit__(*error)
        if self._spool is not None:
            if self.has_begun:
                self._spool.keep()
            else:
                self._spool.discard()

    def skip(self, source: str) -> None:
        """The picture has its rows already; when its record comes, for another sink, it is ignored here."""
        self._skipped[source] += 1

    def write(self, record: Record) -> None:
        """Raises OutputError when the text cannot be written (BrokenPipeError on standard output)."""
        if self._skipped[record.source]:
            self._skipped[record.source] -= 1
        else:
            self.write_row(record.result.to_json())

    def write_row(self, row: Mapping[str, Any]) -> None:
        """As `write`, of what `FrameResult.to_json` gave."""
        if text := self._text(row):
            self._write(text)

    def _write(self, text: str) -> None:
        assert self._file is not None
        self._file.write(text)
        self.has_begun = True

    def _read_journal(self, target: Path) -> Journal:
        raise NotImplementedError

    def _text(self, row: Mapping[str, Any]) -> str:
        raise NotImplementedError


def _spool_of(address: str, goes_on: bool) -> "Spool":
    """A file of this machine for an object; it begins with what is there, when that is gone on with."""
    from facecli.sources.cloud import Spool

    spool = Spool(address)
    try:
        if goes_on:
            spool.fetch()
    except BaseException:
        spool.discard()
        raise
    return spool


class JsonSink(RowSink):
    """A JSON object a line for each picture or frame (docs/output.md)."""

    def _read_journal(self, target: Path) -> Journal:
        return resume_json(target)

    def _text(self, row: Mapping[str, Any]) -> str:
        return json.dumps(row, ensure_ascii=False) + "\n"


class CsvSink(RowSink):
    """Comma-separated values (RFC 4180, UTF-8) under a header, which is there even without a record."""

    def __init__(
        self,
        target: str,
        resume: bool = False,
        more: FurtherColumns | None = None,
        faces_only: bool = False,
        stdout: TextIO | None = None,
        is_raw: bool = False,
        appends: bool = False,
    ) -> None:
        """Takes where to write.

        Args:
            target: a path, or "-" for standard output.
            resume: go on where the file ends.
            more: what `flat_rows` takes.
            faces_only: no row for a frame without a face; else what has none gets a row that says so.
            stdout: in place of standard output.
            is_raw: texts as they are, also those that a spreadsheet would run.
            appends: go on behind what this run has written whole, header and all.
        """
        super().__init__(target, resume, stdout, appends)
        self._faces_only, self._is_raw = faces_only, is_raw
        self._more = dict(more or {})
        self._columns = (*COLUMNS, *self._more)
        self._begun = appends

    def __enter__(self) -> "CsvSink":
        super().__enter__()
        self._begun = self._begun or self.journal.end > 0
        return self

    def __exit__(self, error_type: Any = None, *error: object) -> None:
        try:
            if not self._begun and worth_writing(error_type):
                self._write(self._head())
        finally:
            super().__exit__(error_type, *error)

    def _read_journal(self, target: Path) -> Journal:
        return resume_csv(target, self._columns, self._is_raw)

    def _head(self) -> str:
        return csv_lines([self._columns], self._is_raw)

    def _text(self, row: Mapping[str, Any]) -> str:
        flat = [] if self._faces_only and not row["faces"] else flattened(row, self._more)
        rows = [[_cell(cells[name]) for name in self._columns] for cells in flat]
        head = "" if self._begun else self._head()
        self._begun = True
        return head + csv_lines(rows, self._is_raw)


def _cell(value: object) -> object:
    # 0 and 1: spreadsheets translate true and false.
    return int(value) if isinstance(value, bool) else value


class Resumable(Protocol):
    """A sink that knows what an interrupted run has written, and passes over it."""

    journal: Journal

    def skip(self, source: str) -> None: ...


def remaining_items(
    items: Iterable[Item], sinks: Sequence[Resumable], on_skip: Callable[[Item, str | None], None]
) -> Iterator[Item]:
    """What a resumed run has to do: the items that not every sink has rows of.

    Args:
        items: all, in their order.
        sinks: entered; each ignores later what it has.
        on_skip: called with an item that is done, and why it could not be analysed then.
    """
    for item in items:
        done = [sink for sink in sinks if sink.journal.take(item.source)]
        if done and len(done) == len(sinks):
            errors = (sink.journal.failures.get(item.source) for sink in sinks)
            on_skip(item, next(filter(None, errors), None))
            continue
        for sink in done:
            sink.skip(item.source)
        yield item


class ParquetSink:
    """One file that takes its place when it is whole, also when the run was interrupted."""

    wants_image = False

    def __init__(
        self, target: str | Path, more: FurtherColumns | None = None, further: ClassNames | None = None
    ) -> None:
        """A path or an address of storage, what `flat_rows` takes, and heads whose classes become columns."""
        self._spool: Spool | None = None
        self._target, self._more = target, {**CLASS_COLUMNS, **class_columns(further or {}), **(more or {})}
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> "ParquetSink":
        """Raises OutputError when the file cannot be written, InputError without pyarrow."""
        self._schema = face_schema(self._more)
        import pyarrow.parquet

        path = Path(self._target)
        if is_storage_address(str(self._target)):
            self._spool = _spool_of(str(self._target), goes_on=False)
            path = self._spool.path
        self._pending = AtomicFile(path)
        try:
            self._writer = pyarrow.parquet.ParquetWriter(self._pending.temporary, self._schema)
        except OSError as error:
            self._pending.discard()
            raise self._failed(error) from error
        return self

    def __exit__(self, error_type: type[BaseException] | None = None, *_: object) -> None:
        """Raises OutputError when the file cannot be completed: then the old one stays."""
        is_whole = False
        try:
            try:
                if worth_writing(error_type):
                    self._flush()
            finally:
                self._writer.close()
            is_whole = worth_writing(error_type)
        except OSError as error:
            # What ends the run already is not hidden by what follows from it.
            if worth_writing(error_type):
                raise self._failed(error) from error
        finally:
            if is_whole:
                self._pending.keep()
            else:
                self._pending.discard()
            if self._spool is not None:
                if is_whole:
                    self._spool.keep()
                else:
                    self._spool.discard()

    def write(self, record: Record) -> None:
        """Raises OutputError when the disk is full."""
        self.write_row(record.result.to_json())

    def write_row(self, row: Mapping[str, Any]) -> None:
        """As `write`, of what `FrameResult.to_json` gave."""
        self._rows += flattened(row, self._more)
        if len(self._rows) >= _ROWS_AT_ONCE:
            try:
                self._flush()
            except OSError as error:
                raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write {self._target}: {error.strerror or error}")

    def _flush(self) -> None:
        import pyarrow

        if self._rows:
            self._writer.write_table(pyarrow.Table.from_pylist(self._rows, self._schema))
            self._rows = []
