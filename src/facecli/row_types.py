"""The records of docs/output.md as types, for editors and type checkers."""

from typing import TypedDict


class _FaceBase(TypedDict):
    box_xyxy: list[int]
    detector_confidence: float


class FaceRow(_FaceBase, total=False):
    """One face; keys of heads that the model lacks are not there."""

    track: int
    face_probability: float
    rejected: bool
    age_years: float
    age_interval_90: list[int]
    age_group: str
    age_distribution: list[float]
    gender: str
    gender_probabilities: dict[str, float]
    race: str
    race_probabilities: dict[str, float]
    race_7: str
    race_7_probabilities: dict[str, float]
    emotion: str
    emotion_probabilities: dict[str, float]


class PictureRow(TypedDict):
    """One picture: `error` is None, or says why there is no result; then width and height are None."""

    source: str
    frame: int
    time_s: float
    width: int | None
    height: int | None
    faces: list[FaceRow]
    error: str | None
