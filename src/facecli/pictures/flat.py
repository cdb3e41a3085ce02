"""A picture's record as rows of a table: one for each face, or one that says why there is none."""

from collections.abc import Iterator, Mapping
from typing import Any

from facecli.faces import FACE_HEADS
from facecli.pictures.record import Record
from facecli.stream.csv_sink import COLUMNS as STREAM_COLUMNS

COLUMNS = (*STREAM_COLUMNS, "face", "width", "height", "error")
"""Those of a video's table, then what a picture needs; `face` counts from 1 and is empty without one."""
More = Mapping[str, tuple[str, ...]]
"""Further columns: name -> keys."""


def flat_rows(record: Record, more: More | None = None) -> Iterator[dict[str, Any]]:
    """Rows as column -> value; None for what is not known.

    Args:
        record: of one picture.
        more: further columns, each with the keys that lead to it from a face's JSON row.
    """
    frame = record.result.to_json()
    faces = frame.pop("faces")
    common = dict.fromkeys(COLUMNS) | frame
    if not faces:
        yield common | dict.fromkeys(more or {})
    for number, face in enumerate(faces, start=1):
        found = {column: _nested(face, keys) for column, keys in (more or {}).items()}
        yield common | {"face": number} | _cells(face) | found


def _cells(face: dict) -> dict[str, Any]:
    x_min, y_min, x_max, y_max = face["box_xyxy"]
    cells = {"x_min": x_min, "y_min": y_min, "x_max": x_max, "y_max": y_max}
    plain = ("track", "detector_confidence", "face_probability", "rejected", "age_years", "age_group")
    cells |= {key: face.get(key) for key in plain}
    cells["age_low"], cells["age_high"] = face.get("age_interval_90") or (None, None)
    for head in FACE_HEADS:
        name = face.get(head)
        cells[head] = name
        cells[f"{head}_probability"] = face[f"{head}_probabilities"][name] if name else None
    return cells


def _nested(face: dict, keys: tuple[str, ...]) -> Any:
    value: Any = face
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
