"""A line of JSON becomes what `facecli run` knew when it wrote it; whatever is not so is refused."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from facecli.faces import Face, FrameResult
from facecli.labels import AGE_CLASSES, CLASS_NAMES

_OLDEST = 200
"""Beyond that a number is no age in years."""


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
