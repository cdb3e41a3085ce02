"""A table for spreadsheets: a row for each face of each analysed frame."""

import csv
import io
from typing import TextIO

import numpy as np

from facecli.faces import FACE_HEADS, Face, FrameResult
from facecli.stream.text_file import TextFile, worth_writing

_HEAD_COLUMNS = tuple(column for head in FACE_HEADS for column in (head, f"{head}_probability"))
COLUMNS = (
    "source", "frame", "time_s", "track", "x_min", "y_min", "x_max", "y_max", "detector_confidence",
    "face_probability", "rejected", "age_years", "age_low", "age_high", "age_group", *_HEAD_COLUMNS,
)  # fmt: skip
"""Always all of them, in this order; a head that the model lacks leaves its cells empty."""


class CsvSink:
    """Comma-separated values (RFC 4180, UTF-8) under a header, flushed with every frame.

    The header is there even when nobody was seen. Files are treated as by `TextFile`.
    """

    wants_drawing = False

    def __init__(self, target: str, stdout: TextIO | None = None) -> None:
        """A path, or "-" for standard output."""
        self._file = TextFile(target, stdout)
        self._begun = False

    def __enter__(self) -> "CsvSink":
        """Raises OutputError when the file cannot be written."""
        self._file.__enter__()
        return self

    def __exit__(self, error_type=None, *error) -> None:
        try:
            if not self._begun and worth_writing(error_type):
                self._file.write(_lines([COLUMNS]))
        finally:
            self._file.__exit__(error_type, *error)

    def write(self, result: FrameResult, drawn_rgb: np.ndarray | None = None) -> None:
        """Raises OutputError when the rows cannot be written (BrokenPipeError on standard output)."""
        rows = [_row(result, face) for face in result.faces]
        if not self._begun:
            rows.insert(0, COLUMNS)
        if rows:
            self._file.write(_lines(rows))
        self._begun = True


def _row(result: FrameResult, face: Face) -> tuple:
    """The cells of COLUMNS, rounded like the JSON row."""
    frame, row = result.to_json(), face.to_json()
    age_low, age_high = row.get("age_interval_90") or ("", "")
    heads = [cell for head in FACE_HEADS for cell in _head_cells(row, head)]
    return (
        *(frame[key] for key in ("source", "frame", "time_s")),
        row.get("track", ""),
        *row["box_xyxy"],
        *(row.get(key, "") for key in ("detector_confidence", "face_probability")),
        # 0 and 1: spreadsheets translate true and false.
        int(row["rejected"]) if "rejected" in row else "",
        *(row.get("age_years", ""), age_low, age_high, row.get("age_group", "")),
        *heads,
    )


def _head_cells(row: dict, head: str) -> tuple:
    name = row.get(head, "")
    return name, row[f"{head}_probabilities"][name] if name else ""


def _lines(rows: list[tuple]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
