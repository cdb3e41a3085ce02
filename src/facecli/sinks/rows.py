"""Rows for programs and spreadsheets: JSON, CSV (a later run can go on with these) and Parquet."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from facecli.core.attributes import CLASS_NAMES, ClassNames
from facecli.core.errors import InputError, OutputError
from facecli.core.faces import FACE_HEADS
from facecli.core.files import AtomicFile, GrowingTextFile, worth_writing
from facecli.core.paths import how_to_install, is_stream
from facecli.sinks.base import Record
from facecli.sinks.journal import Journal, resume_csv, resume_json
from facecli.sinks.table import csv_lines
from facecli.sources.files import Item

_HEAD_COLUMNS = tuple(column for head in FACE_HEADS for column in (head, f"{head}_probability"))
COLUMNS = (
    "source", "frame", "time_s", "track", "x_min", "y_min", "x_max", "y_max", "detector_confidence",
    "roll_degrees", "yaw_degrees", "pitch_degrees", "quality", "face_probability", "rejected",
    "age_years", "age_low", "age_high", "age_group", *_HEAD_COLUMNS, "uncertain",
    "face", "width", "height", "error", "model", "facecli",
)  # fmt: skip
"""Of pictures and videos alike, always all of them, in this order. What does not apply is empty: the cells
of a head that the model lacks, `track` of a picture, `face` (which counts from 1) where there is none."""
FurtherColumns = Mapping[str, tuple[str, ...]]
"""Further columns: name -> keys."""
LIKELIEST = "*"
"""As a key of probabilities: that of the most probable class."""

_ROWS_AT_ONCE = 5000
WHOLE_COLUMNS = (
    *("frame", "track", "x_min", "y_min", "x_max", "y_max", "age_low", "age_high"),
    *("face", "width", "height"),
)
"""Those of whole numbers."""
_POSE = ("roll_degrees", "yaw_degrees", "pitch_degrees")
REAL_COLUMNS = ("time_s", "detector_confidence", *_POSE, "quality", "face_probability", "age_years")
"""Those of other numbers, beside the heads' probabilities."""


def flat_rows(record: Record, more: FurtherColumns | None = None) -> Iterator[dict[str, Any]]:
    """Rows as column -> value; None for what is not known.

    Args:
        record: of one picture or frame.
        more: further columns, each with the keys that lead to it in a face's JSON row, or else the picture's.
    """
    frame = record.result.to_json()
    faces = frame.pop("faces")
    common = dict.fromkeys(COLUMNS) | frame
    if not faces:
        yield common | {column: _nested(frame, keys) for column, keys in (more or {}).items()}
    for number, face in enumerate(faces, start=1):
        found = {column: _nested(frame | face, keys) for column, keys in (more or {}).items()}
        yield common | {"face": number} | _cells(face) | found


def _cells(face: dict) -> dict[str, Any]:
    x_min, y_min, x_max, y_max = face["box_xyxy"]
    cells = {"x_min": x_min, "y_min": y_min, "x_max": x_max, "y_max": y_max}
    plain = ("track", "rejected", "age_group", *REAL_COLUMNS)
    cells |= {key: face[key] for key in plain if key in face}
    cells["uncertain"] = " ".join(face.get("uncertain", ())) or None
    cells["age_low"], cells["age_high"] = face.get("age_interval_90") or (None, None)
    for head in FACE_HEADS:
        name = face.get(head)
        cells[head] = name
        cells[f"{head}_probability"] = face[f"{head}_probabilities"][name] if name else None
    return cells


def _nested(face: dict, keys: tuple[str, ...]) -> Any:
    value: Any = face
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = max(value.values(), default=None) if key == LIKELIEST else value.get(key)
    return value


def head_columns(heads: Iterable[str]) -> FurtherColumns:
    """Columns of heads that a model brings: the class and its probability, as those of other heads."""
    columns: dict[str, tuple[str, ...]] = {}
    for head in heads:
        columns |= {head: (head,), f"{head}_probability": (f"{head}_probabilities", LIKELIEST)}
    return columns


def class_columns(classes: ClassNames) -> FurtherColumns:
    """A column for each class of some heads."""
    return {
        f"{head}_{name}": (f"{head}_probabilities", name) for head, names in classes.items() for name in names
    }


class RowSink:
    """Text for each record, written at once and flushed; with `resume` it goes on where a file ends.

    Attributes:
        target: a path, or "-" for standard output.
        journal: once entered, what was there already.
        has_begun: something was written to the target; then nothing of an older file is left there.
    """

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
        self._file = GrowingTextFile(target, stdout, append=self._resumes or appends)
        self._skipped: set[str] = set()
        self.journal = Journal()
        self.has_begun = False

    def __enter__(self) -> "RowSink":
        """Raises OutputError when the file cannot be written.

        Raises InputError when it holds something else, or when another run writes to it.
        """
        self._file.__enter__()
        if self._resumes:
            # Locked before it is read: what another run writes now is no cut row.
            try:
                self.journal = self._read_journal(Path(self.target))
            except BaseException:
                self._file.__exit__()
                raise
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
        elif text := self._text(record):
            self._write(text)

    def _write(self, text: str) -> None:
        self._file.write(text)
        self.has_begun = True

    def _read_journal(self, target: Path) -> Journal:
        raise NotImplementedError

    def _text(self, record: Record) -> str:
        raise NotImplementedError


class JsonSink(RowSink):
    """A JSON object a line for each picture or frame (docs/output.md)."""

    def _read_journal(self, target: Path) -> Journal:
        return resume_json(target)

    def _text(self, record: Record) -> str:
        return json.dumps(record.result.to_json(), ensure_ascii=False) + "\n"


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

    def __exit__(self, error_type=None, *error) -> None:
        try:
            if not self._begun and worth_writing(error_type):
                self._write(self._head())
        finally:
            super().__exit__(error_type, *error)

    def _read_journal(self, target: Path) -> Journal:
        return resume_csv(target, self._columns, self._is_raw)

    def _head(self) -> str:
        return csv_lines([self._columns], self._is_raw)

    def _text(self, record: Record) -> str:
        flat = [] if self._faces_only and not record.result.faces else flat_rows(record, self._more)
        rows = [[_cell(row[name]) for name in self._columns] for row in flat]
        head = "" if self._begun else self._head()
        self._begun = True
        return head + csv_lines(rows, self._is_raw)


def _cell(value) -> object:
    # 0 and 1: spreadsheets translate true and false.
    return int(value) if isinstance(value, bool) else value


def remaining_items(
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


def check_pyarrow() -> None:
    """Raises InputError, with the remedy, when pyarrow is not here."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InputError(f"Parquet needs pyarrow: {how_to_install('parquet')}") from error


class ParquetSink:
    """One file that takes its place when it is whole, also when the run was interrupted."""

    wants_image = False

    def __init__(
        self, target: Path, more: FurtherColumns | None = None, further: ClassNames | None = None
    ) -> None:
        """`more` is what `flat_rows` takes; `further` are heads of the model, each class a column, too."""
        probabilities = class_columns({head: CLASS_NAMES[head] for head in FACE_HEADS} | dict(further or {}))
        self._target, self._more = target, {**probabilities, **(more or {})}
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> "ParquetSink":
        """Raises OutputError when the file cannot be written, InputError without pyarrow."""
        check_pyarrow()
        import pyarrow.parquet

        self._schema = self._build_schema()
        self._pending = AtomicFile(self._target)
        try:
            self._writer = pyarrow.parquet.ParquetWriter(self._pending.temporary, self._schema)
        except OSError as error:
            self._pending.discard()
            raise self._failed(error) from error
        return self

    def __exit__(self, error_type=None, *_) -> None:
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

    def write(self, record: Record) -> None:
        """Raises OutputError when the disk is full."""
        self._rows += flat_rows(record, self._more)
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

    def _build_schema(self):
        import pyarrow

        kinds = dict.fromkeys(WHOLE_COLUMNS, pyarrow.int32()) | dict.fromkeys(REAL_COLUMNS, pyarrow.float64())
        kinds["rejected"] = kinds["truncated"] = pyarrow.bool_()
        numbers = ("probability", "years")
        for column, keys in self._more.items():
            if column in kinds:
                continue
            is_number = keys[0].endswith("_probabilities") or keys[-1].endswith(numbers)
            kinds[column] = pyarrow.float64() if is_number else pyarrow.string()
        for head in FACE_HEADS:
            kinds[f"{head}_probability"] = pyarrow.float64()
        return pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in (*COLUMNS, *self._more)])
