"""The same table as `--csv` with types, and all probabilities, for data frames (extra `parquet`)."""

from pathlib import Path
from typing import Any

from facecli.errors import InputError
from facecli.faces import FACE_HEADS
from facecli.labels import CLASS_NAMES
from facecli.pictures.flat import COLUMNS, More, flat_rows
from facecli.pictures.record import Record
from facecli.stream.pending import PendingFile
from facecli.stream.text_file import worth_writing

_ROWS_AT_ONCE = 5000
_WHOLE = (
    "frame",
    "track",
    "x_min",
    "y_min",
    "x_max",
    "y_max",
    "age_low",
    "age_high",
    "face",
    "width",
    "height",
)
_REAL = ("time_s", "detector_confidence", "face_probability", "age_years")


def check_installed() -> None:
    """Raises InputError, with the remedy, when pyarrow is not here."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InputError("--parquet needs pyarrow: pip install 'facecli[parquet]'") from error


class ParquetSink:
    """One file that takes its place when it is whole, also when the run was interrupted."""

    wants_image = False

    def __init__(self, target: Path, more: More | None = None) -> None:
        """`more` is what `flat.flat_rows` takes."""
        probabilities = {
            f"{head}_{name}": (f"{head}_probabilities", name)
            for head in FACE_HEADS
            for name in CLASS_NAMES[head]
        }
        self._target, self._more = target, {**probabilities, **(more or {})}
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> "ParquetSink":
        """Raises OutputError when the file cannot be written, InputError without pyarrow."""
        check_installed()
        import pyarrow.parquet

        self._schema = self._build_schema()
        self._pending = PendingFile(self._target)
        self._writer = pyarrow.parquet.ParquetWriter(self._pending.temporary, self._schema)
        return self

    def __exit__(self, error_type=None, *_) -> None:
        try:
            if worth_writing(error_type):
                self._flush()
        finally:
            self._writer.close()
            if worth_writing(error_type):
                self._pending.keep()
            else:
                self._pending.discard()

    def write(self, record: Record) -> None:
        """Raises OSError when the disk is full."""
        self._rows += flat_rows(record, self._more)
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        if self._rows:
            self._writer.write_table(pyarrow.Table.from_pylist(self._rows, self._schema))
            self._rows = []

    def _build_schema(self):
        import pyarrow

        kinds = dict.fromkeys(_WHOLE, pyarrow.int32()) | dict.fromkeys(_REAL, pyarrow.float64())
        kinds["rejected"] = pyarrow.bool_()
        numbers = ("probability", "years")
        for column, keys in self._more.items():
            is_number = keys[0].endswith("_probabilities") or keys[-1].endswith(numbers)
            kinds[column] = pyarrow.float64() if is_number else pyarrow.string()
        for head in FACE_HEADS:
            kinds[f"{head}_probability"] = pyarrow.float64()
        return pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in (*COLUMNS, *self._more)])
