"""What is known of a face and of a frame, the JSON row that it becomes, and the types of such rows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict

from facecli import __version__
from facecli.core.attributes import FACE_HEADS, NAMED_HEADS, age_group

UNCERTAIN, AGE_BAND = "uncertain", "age_band"
"""What a label reads that is better not believed; what the band of years is called among the labels."""
_DIGITS = 4
NOSE_AT, NOSE_DEPTH = 0.595, 0.37
"""Of the way from the eyes down to the mouth: where the nose of an upright face lies (median of chips), and
how far before it (factorization of 400 faces; Tomasi & Kanade 1992)."""
_HALF_READ, _SMALL = 0.1, 3.0
"""Error of landmarks, and pixels from eye to eye, at which a face's quality is half of what it could be."""
_NOTHING = 0.0005
"""Probabilities up to this are "0%" and not "<1%" for people."""


class _FaceBase(TypedDict):
    box_xyxy: list[int]
    detector_confidence: float


class FaceRow(_FaceBase, total=False):
    """One face; keys of heads that the model lacks are not there. A further head of a model has two keys
    more, `NAME` and `NAME_probabilities`, like `gender`.
    """

    track: int
    landmarks: list[list[float]]
    roll_degrees: float
    yaw_degrees: float
    pitch_degrees: float
    quality: float
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
    uncertain: list[str]


class _PictureBase(TypedDict):
    """What every row has."""

    source: str
    frame: int
    time_s: float
    width: int | None
    height: int | None
    faces: list[FaceRow]
    error: str | None
    model: str | None
    facecli: str


class PictureRow(_PictureBase, total=False):
    """One picture: `error` is None, or says why there is no result; then width and height are None."""

    truncated: bool


class HeadPose(NamedTuple):
    """Degrees.

    Attributes:
        roll: in the picture's plane, in (-180, 180]; 0 upright, positive clockwise.
        yaw: to a side, in [-90, 90]; positive when the nose points to the viewer's right.
        pitch: in [-90, 90]; positive when the nose points up.
    """

    roll: float
    yaw: float
    pitch: float


def face_quality(landmarks: Sequence[Sequence[float]], landmark_error: float) -> float:
    """How well a face can be read, in [0, 1]: less for small, blurred, hidden, and turned faces.

    Where landmarks can hardly be told, labels are wrong more often, and more so than size or pose alone say
    (benchmarks/quality.md).

    Args:
        landmarks: five x and y in pixels.
        landmark_error: how far off they are expected to be, in distances between the eyes.
    """
    (left_x, left_y), (right_x, right_y), _, *mouth = landmarks
    across = math.hypot(right_x - left_x, right_y - left_y)
    down = math.hypot(
        sum(x for x, _ in mouth) / 2 - (left_x + right_x) / 2,
        sum(y for _, y in mouth) / 2 - (left_y + right_y) / 2,
    )
    # Of a head that is turned the eyes lie near each other, of one that nods eyes and mouth do.
    side = max(across, down)
    return side / (side + _SMALL) / (1 + (landmark_error / _HALF_READ) ** 2)


def head_pose(landmarks: Sequence[Sequence[float]]) -> HeadPose:
    """The pose of a head. A rough measure: noses differ, and no camera is known.

    Eyes and mouth lie about in a plane, the tip of the nose before it: turned to a side or nodding, the head
    moves the nose against them.

    Args:
        landmarks: five x and y in pixels, see `detect.registry.Detections`.
    """
    (left_x, left_y), (right_x, right_y), (nose_x, nose_y), *mouth = landmarks
    eyes_x, eyes_y = (left_x + right_x) / 2, (left_y + right_y) / 2
    down_x = sum(x for x, _ in mouth) / 2 - eyes_x
    down_y = sum(y for _, y in mouth) / 2 - eyes_y
    # Eyes alone are a short line: from them down to the mouth is another, at a right angle.
    roll = math.atan2(right_y - left_y - down_x, right_x - left_x + down_y)
    length = max(math.hypot(down_x, down_y), 1e-6)
    # Along the line from the eyes to the mouth, and across it.
    along = ((nose_x - eyes_x) * down_x + (nose_y - eyes_y) * down_y) / length**2
    across = ((nose_x - eyes_x) * down_y - (nose_y - eyes_y) * down_x) / length**2
    yaw = math.asin(min(max(across / NOSE_DEPTH, -1.0), 1.0))
    pitch = math.atan((NOSE_AT - along) / NOSE_DEPTH)
    return HeadPose(*(math.degrees(angle) for angle in (roll, yaw, pitch)))


@dataclass(frozen=True)
class Face:
    """One analysed face. What the model has no head for is None.

    Attributes:
        box_xyxy: x_min, y_min, x_max, y_max in pixels of the frame, right and bottom exclusive.
        detector_confidence: in [0, 1]; its scale differs between detectors.
        age_years: expectation of the age distribution.
        age_interval_90: low and high in years; meant to hold 90 % of true ages.
        gender_probabilities: class name -> probability, in the order of `core.attributes.GENDERS`.
        race_probabilities: class name -> probability, in the order of `core.attributes.RACES`.
        emotion_probabilities: class name -> probability, in the order of `core.attributes.EMOTIONS`.
        face_probability: that the box shows a face, in [0, 1].
        rejected: the model takes it for none, and nothing else is known of it.
        track: number of the person within a stream, from 1; None outside of streams.
        age_bands: name -> probability of the bands of years that were asked for; they sum to 1.
        age_distribution: probabilities of the years 0, 1, ... 116; kept when details are wanted.
        by_model: name -> what each of the compared models says of this box; the first is this face.
        race_7_probabilities: class name -> probability, in the order of `core.attributes.RACES_7`.
        landmarks: x and y in pixels of eyes, nose and corners of the mouth, the viewer's left first; None
            when the detector does not know them.
        quality: how well the face can be read, in [0, 1], see `face_quality`; None when not known.
        uncertain: heads, and "age_band", whose label is better not believed: it reads "uncertain".
        further: head that facecli does not know by itself -> class name -> probability.
    """

    box_xyxy: tuple[int, int, int, int]
    detector_confidence: float
    age_years: float | None = None
    age_interval_90: tuple[float, float] | None = None
    gender_probabilities: Mapping[str, float] | None = None
    race_probabilities: Mapping[str, float] | None = None
    emotion_probabilities: Mapping[str, float] | None = None
    face_probability: float | None = None
    rejected: bool = False
    track: int | None = None
    age_bands: Mapping[str, float] | None = None
    age_distribution: tuple[float, ...] | None = None
    by_model: Mapping[str, "Face"] | None = None
    race_7_probabilities: Mapping[str, float] | None = None
    landmarks: tuple[tuple[float, float], ...] | None = None
    quality: float | None = None
    uncertain: tuple[str, ...] = ()
    further: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def pose(self) -> HeadPose | None:
        """Which way the head is turned; None without landmarks."""
        return None if self.landmarks is None else head_pose(self.landmarks)

    @property
    def whole_years(self) -> int | None:
        """The age that people read: the age of the JSON row, which is all that a web page has, rounded."""
        return None if self.age_years is None else round_years(self.age_years)

    def interval_label(self) -> str:
        """The interval that people read, in whole years: "26-39"; "" when it is not known."""
        return "-".join(str(int(value)) for value in self.age_interval_90 or ())

    @property
    def age_band(self) -> str | None:
        """The most probable of `age_bands`."""
        return _most_probable(self.age_bands)

    @property
    def gender(self) -> str | None:
        """The most probable gender."""
        return _most_probable(self.gender_probabilities)

    @property
    def race(self) -> str | None:
        """The most probable race."""
        return _most_probable(self.race_probabilities)

    @property
    def race_7(self) -> str | None:
        """The most probable of the seven races; it need not be part of `race`, which sums several."""
        return _most_probable(self.race_7_probabilities)

    @property
    def emotion(self) -> str | None:
        """The most probable emotion."""
        return _most_probable(self.emotion_probabilities)

    @property
    def heads(self) -> tuple[str, ...]:
        """The class heads that say something of this face, in the order in which rows have them."""
        return with_further(
            (head for head in FACE_HEADS if self.probabilities(head) is not None), self.further
        )

    @property
    def named_heads(self) -> tuple[str, ...]:
        """Those of them that are shown when no details are asked for."""
        return with_further(
            (head for head in NAMED_HEADS if self.probabilities(head) is not None), self.further
        )

    def probabilities(self, head: str) -> Mapping[str, float] | None:
        """Class name -> probability of a class head; None when it says nothing of this face."""
        return getattr(self, f"{head}_probabilities") if head in FACE_HEADS else self.further.get(head)

    def likeliest_class(self, head: str) -> str | None:
        """The most probable class of a head."""
        return _most_probable(self.probabilities(head))

    def label(self, head: str) -> str | None:
        """A class head for people: "female 98%", or "uncertain"."""
        return self._said(head, self.probabilities(head))

    def band_label(self) -> str | None:
        """The most probable band of years for people: "25-49 85%"; None when none were asked for."""
        return self._said(AGE_BAND, self.age_bands)

    def _said(self, name: str, probabilities: Mapping[str, float] | None) -> str | None:
        if not probabilities:
            return None
        label, confidence = likeliest(probabilities)
        return UNCERTAIN if name in self.uncertain else f"{label} {percent(confidence)}"

    def rejection(self) -> str:
        """What people read of a rejected face: "not a face 97%"."""
        return f"not a face {percent(1 - (self.face_probability or 0.0))}"

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and names; keys of heads that the model lacks are left out."""
        row: dict[str, Any] = {} if self.track is None else {"track": int(self.track)}
        row["box_xyxy"] = [int(value) for value in self.box_xyxy]
        row["detector_confidence"] = round(float(self.detector_confidence), _DIGITS)
        if self.landmarks is not None and (pose := self.pose) is not None:
            row["landmarks"] = [[round(x, 1), round(y, 1)] for x, y in self.landmarks]
            row |= {f"{name}_degrees": round(angle, 1) for name, angle in pose._asdict().items()}
        if self.quality is not None:
            row["quality"] = round(float(self.quality), 3)
        row.update(self._attributes())
        if self.by_model is not None:
            row["models"] = {name: face._attributes() for name, face in self.by_model.items()}
        return row

    def _attributes(self) -> dict[str, Any]:
        """The keys that are a model's doing."""
        row: dict[str, Any] = {}
        if self.face_probability is not None:
            row["face_probability"] = round(float(self.face_probability), _DIGITS)
            row["rejected"] = self.rejected
        if self.age_years is not None:
            row.update(self._age(self.age_years))
        for head in self.heads:
            probabilities = self.probabilities(head) or {}
            row[head] = _most_probable(probabilities)
            row[f"{head}_probabilities"] = _rounded(probabilities)
        if self.heads:
            row["uncertain"] = list(self.uncertain)
        return row

    def _age(self, age_years: float) -> dict[str, Any]:
        years = _shown_years(age_years)
        interval = [int(value) for value in self.age_interval_90 or ()]
        row: dict[str, Any] = {"age_years": years, "age_interval_90": interval, "age_group": age_group(years)}
        if self.age_bands is not None:
            row["age_band"], probability = likeliest(self.age_bands)
            row["age_band_probability"] = round(float(probability), _DIGITS)
        if self.age_distribution is not None:
            if self.age_bands is not None:
                row["age_band_probabilities"] = _rounded(self.age_bands)
            row["age_distribution"] = [round(float(share), _DIGITS + 1) for share in self.age_distribution]
        return row


@dataclass(frozen=True)
class FrameResult:
    """One picture or frame: where it comes from and the faces in it.

    Attributes:
        source: path, camera or address, as given.
        width, height: pixels; None when the picture could not be read.
        faces: empty when there is no face, which is a result.
        frame: index from 0; 0 for a picture.
        time_s: seconds since the source's start; 0 for a picture.
        error: one line that says why there is no result, or None.
        model: name of the model that read the faces, as its folder says it; of several the first.
        truncated: the picture is cut short or damaged, and only what there is of it was looked at.
    """

    source: str
    width: int | None
    height: int | None
    faces: tuple[Face, ...] = ()
    frame: int = 0
    time_s: float = 0.0
    error: str | None = None
    model: str | None = None
    truncated: bool = False

    def to_json(self) -> dict[str, Any]:
        """The row that `run --json` writes (docs/output.md)."""
        return {
            "source": self.source,
            "frame": self.frame,
            "time_s": round(float(self.time_s), 3),
            "width": self.width,
            "height": self.height,
            "faces": [face.to_json() for face in self.faces],
            "error": self.error,
            "model": self.model,
            "facecli": __version__,
            **({"truncated": True} if self.truncated else {}),
        }


def with_further(known: Iterable[str], further: Iterable[str]) -> tuple[str, ...]:
    """Heads that facecli knows, and behind them those that models bring, each once."""
    return tuple(dict.fromkeys((*known, *further)))


def in_words(head: str, said: str) -> str:
    """A class where nothing else tells what it is about: "happy", but "glasses yes" of a model's own head."""
    return said if head in FACE_HEADS else f"{head} {said}"


def likeliest(probabilities: Mapping[str, float]) -> tuple[str, float]:
    """The most probable name and its probability; of equal ones the first. One at least is needed."""
    name = max(probabilities, key=probabilities.__getitem__)
    return name, probabilities[name]


def round_years(age_years: float) -> int:
    """An age in whole years, as people read it: that of the JSON row, halves rounded up as in JavaScript."""
    return math.floor(_shown_years(age_years) + 0.5)


def percent(probability: float) -> str:
    """What people read of a probability in [0, 1]: "98%", "<1%"; of the JSON row's, as pages have no other.

    Halves are rounded up, as in JavaScript: a table, a picture and a page say the same.
    """
    written = round(float(probability), _DIGITS)
    whole = math.floor(100 * written + 0.5)
    return "<1%" if whole == 0 and written > _NOTHING else f"{whole}%"


def _shown_years(age_years: float) -> float:
    """The age as rows have it."""
    return round(float(age_years), 1)


def _rounded(probabilities: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(probability), _DIGITS) for name, probability in probabilities.items()}


def _most_probable(probabilities: Mapping[str, float] | None) -> str | None:
    return likeliest(probabilities)[0] if probabilities else None
