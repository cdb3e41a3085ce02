"""Rows of pictures for programs and spreadsheets, which a later run can go on with."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from facecli.pictures.flat import COLUMNS, More, flat_rows
from facecli.pictures.item import Item
from facecli.pictures.journal import Journal, resume_csv, resume_json
from facecli.pictures.record import Record
from facecli.stream.text_file import TextFile, worth_writing


class RowSink:
    """Text for each picture, written at once and flushed; with `resume` it goes on where a file ends.

    `journal` holds, once entered, what was there already.
    """

    wants_image = False

    def __init__(self, target: str, resume: bool = False) -> None:
        """A path, or "-" for standard output, which cannot be resumed."""
        self._target = target
        self._resumes = resume and Path(target).is_file() and Path(target).stat().st_size > 0
        self._file = TextFile(target, append=self._resumes)
        self._skipped: set[str] = set()
        self.journal = Journal()

    def __enter__(self) -> "RowSink":
        """Raises OutputError when the file cannot be written, InputError when it holds something else."""
        if self._resumes:
            self.journal = self._read_journal(Path(self._target))
        self._file.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._file.__exit__(*error)

    def skip(self, target_name: str) -> None:
        """The picture has its rows already; when its record comes, for another sink, it is ignored here."""
        self._skipped.add(target_name)

    def write(self, record: Record) -> None:
        """Raises OutputError when the text cannot be written (BrokenPipeError on standard output)."""
        if record.target_name in self._skipped:
            self._skipped.discard(record.target_name)
        else:
            self._file.write(self._text(record))

    def _read_journal(self, target: Path) -> Journal:
        raise NotImplementedError

    def _text(self, record: Record) -> str:
        raise NotImplementedError


class JsonSink(RowSink):
    """A JSON object a line for each picture (docs/output.md)."""

    def _read_journal(self, target: Path) -> Journal:
        return resume_json(target)

    def _text(self, record: Record) -> str:
        return json.dumps(record.result.to_json(), ensure_ascii=False) + "\n"


class CsvSink(RowSink):
    """Comma-separated values (RFC 4180, UTF-8): a row for each face, one for a picture without any.

    The header is there even without a picture.
    """

    def __init__(self, target: str, resume: bool = False, more: More | None = None) -> None:
        """`more` is what `flat.flat_rows` takes."""
        super().__init__(target, resume)
        self._more = dict(more or {})
        self._columns = (*COLUMNS, *self._more)
        self._begun = False

    def __enter__(self) -> "CsvSink":
        super().__enter__()
        self._begun = self.journal.end > 0
        return self

    def __exit__(self, error_type=None, *error) -> None:
        try:
            if not self._begun and worth_writing(error_type):
                self._file.write(self._head())
        finally:
            super().__exit__(error_type, *error)

    def _read_journal(self, target: Path) -> Journal:
        return resume_csv(target, self._columns)

    def _head(self) -> str:
        return _lines([self._columns])

    def _text(self, record: Record) -> str:
        rows = [[_cell(row[name]) for name in self._columns] for row in flat_rows(record, self._more)]
        head = "" if self._begun else self._head()
        self._begun = True
        return head + _lines(rows)


def _cell(value) -> object:
    # 0 and 1: spreadsheets translate true and false.
    return int(value) if isinstance(value, bool) else value


def _lines(rows: list) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def remaining(
    items: Iterable[Item], sinks: Sequence[RowSink], on_skip: Callable[[Item, str | None], None]
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
            sink.skip(item.target_name)
        yield item
