"""Frames of one video become people: found, followed, and known better with every frame.

What is known of a person comes from all frames together: classes, age, looks. The shipped networks give no
embedding; what they say of age, gender and race stands in for it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from facecli.core.arrays import Array
from facecli.core.attributes import FACE_HEADS, FURTHER_HALF_LIFE_S, HEADS, MAX_AGE_YEARS
from facecli.core.crops import Box, clip_boxes
from facecli.core.faces import Face
from facecli.detect.registry import Detections, Detector, detect_inside
from facecli.infer.analyzer import Analyzer, alignment_of, doubts_of, mark_rejected, read_out
from facecli.live.tracking import Detection, FrameSignature, Patch, PreparedFrame, Track, Tracker

_LASTING_HEADS = "gender", "race"
_OTHER_AGE_YEARS = 30.0

_NEAR_YEARS = 6.0
"""Frames farther from the median do not count: blinks, hands, turned heads."""
_BINS_A_YEAR = 2
_HALF_LIFE_S = 60.0
_LOOKS_A_SECOND = 2.0
"""Frames that follow each other say the same; what is new in a second counts as so many frames."""
_FLOOR = 0.8
"""The interval never becomes narrower than this share of a single frame's: most of a model's error
is about the person, stays in every frame, and does not average out."""
_LEAST_YEARS = 1.0
_PLAY_YEARS = 2.0
"""What is shown stays while the evidence is no farther from it: its interval is many times as wide."""
_FOLLOWING_S = 2.0
"""Time in which what is shown goes most of the way to the evidence."""

HALF_LIVES_S = {head.name: head.half_life_s for head in HEADS}
"""Time after which a frame counts half as much as a new one, of the heads that facecli knows by itself."""
_LONGEST_GAP_S = 1.0

HOLD_S = 1.0
"""How long a face is held by its looks alone, without a detector that sees it."""
SHOWN_S = 0.2
"""How long a face is shown that nothing sees any more."""
SURE_S = 0.1
"""How long after a detector saw it a face is read as often as one that is seen."""
_LIKE, _VERY_LIKE = 0.6, 0.9
"""Correlations above which a face is still there, and above which nobody need ask."""
_UNLIKE, _OTHER = 0.7, 0.25
"""Correlation below which, and distance above which it is somebody else. Of faces of one person
0.13 s apart 1 % are both, of faces of two people 87 % (clips and pictures, `appearance_distance`)."""
_FIRST_READS, _READ_EVERY_S, _READ_HELD_S = 5, 0.1, 0.3


def appearance_distance(one: Face, other: Face) -> float:
    """How different two faces are, in [0, 1]; 0 without a head that both know.

    The mean of the Hellinger distances of gender and race and of the difference in age, 30 years
    and more being 1.
    """
    parts = []
    for head in _LASTING_HEADS:
        ones, others = one.probabilities(head), other.probabilities(head)
        if ones and others:
            shared = sum(np.sqrt(max(ones[name] * others.get(name, 0.0), 0.0)) for name in ones)
            parts.append(float(np.sqrt(max(1 - shared, 0.0))))
    if one.age_years is not None and other.age_years is not None:
        parts.append(min(abs(one.age_years - other.age_years) / _OTHER_AGE_YEARS, 1.0))
    return sum(parts) / len(parts) if parts else 0.0


class AgeEvidence:
    """Ages seen so far, as a histogram whose older part fades: memory does not grow.

    The evidence says the mean of what lies within _NEAR_YEARS of the median, each frame weighted
    by its certainty, 1 / (width of its interval) ** 2. The age that is shown follows it calmly.
    The interval reaches as far from that mean as the frames' intervals did from their ages on
    average, times `_FLOOR + (1 - _FLOOR) / sqrt(looks)`, at least _LEAST_YEARS, and is stretched to
    hold the age that is shown.
    """

    def __init__(self) -> None:
        """Has seen nothing yet."""
        bins = MAX_AGE_YEARS * _BINS_A_YEAR + 1
        self.count = 0
        self._weights = np.zeros(bins)
        self._ages = np.zeros(bins)
        self._reach = np.zeros(2)
        self._range = math.inf, -math.inf
        self._looks = 1.0
        self._shown = 0.0

    def add(
        self, age_years: float, interval: tuple[float, float] | None, trust: float, passed_s: float
    ) -> None:
        """Takes a frame.

        Args:
            age_years: what the model says.
            interval: its low and high, around the age; None is the age alone.
            trust: above 0.
            passed_s: since the last frame, 0 or more.
        """
        low, high = interval or (age_years, age_years)
        weight = trust / max(high - low, 2 * _LEAST_YEARS) ** 2
        fading = 0.5 ** (passed_s / _HALF_LIFE_S)
        for faded in (self._weights, self._ages, self._reach):
            faded *= fading
        index = round(min(max(age_years, 0.0), MAX_AGE_YEARS) * _BINS_A_YEAR)
        self._weights[index] += weight
        self._ages[index] += weight * age_years
        self._reach += weight * np.array([max(age_years - low, 0.0), max(high - age_years, 0.0)])
        self._range = min(self._range[0], age_years), max(self._range[1], age_years)
        self._looks += passed_s * _LOOKS_A_SECOND
        self._show(passed_s)
        self.count += 1

    def estimate(self) -> tuple[float, tuple[int, int]]:
        """Age in years and its interval, whole years within the labels' range; after a frame only."""
        mean, age = self._mean(), self._shown
        share = _FLOOR + (1 - _FLOOR) / math.sqrt(self._looks)
        below, above = np.maximum(self._reach / self._weights.sum() * share, _LEAST_YEARS)
        low = math.floor(round(min(mean - below, age), 6))
        high = math.ceil(round(max(mean + above, age), 6))
        return age, (max(low, 0), min(high, MAX_AGE_YEARS))

    def _show(self, passed_s: float) -> None:
        mean = self._mean()
        if not self.count:
            self._shown = mean
        calm = min(max(self._shown, mean - _PLAY_YEARS), mean + _PLAY_YEARS)
        self._shown += (1 - math.exp(-passed_s / _FOLLOWING_S)) * (calm - self._shown)

    def _mean(self) -> float:
        """The robust mean, within the range of the ages seen."""
        median = int(np.searchsorted(np.cumsum(self._weights), self._weights.sum() / 2))
        reach = round(_NEAR_YEARS * _BINS_A_YEAR)
        near = slice(max(median - reach, 0), median + reach + 1)
        mean = float(self._ages[near].sum() / self._weights[near].sum())
        return min(max(mean, self._range[0]), self._range[1])


class ClassEvidence:
    """The running mean of a head's probabilities, older ones fading. It sums to 1 as they do."""

    def __init__(self, half_life_s: float) -> None:
        """Has seen nothing yet."""
        self._half_life_s = half_life_s
        self._sums: dict[str, float] = {}
        self._weight = 0.0

    def add(self, probabilities: Mapping[str, float], weight: float, passed_s: float) -> None:
        """Takes one more frame, `passed_s` after the last one; `weight` is above 0."""
        fading = 0.5 ** (max(passed_s, 0.0) / self._half_life_s)
        self._weight = self._weight * fading + weight
        for name, probability in probabilities.items():
            self._sums[name] = self._sums.get(name, 0.0) * fading + weight * probability

    def probabilities(self) -> dict[str, float]:
        """Class name -> probability; {} before the first frame."""
        return {name: value / self._weight for name, value in self._sums.items()}


class Evidence:
    """All heads of one person."""

    def __init__(self, half_lives_s: Mapping[str, float] = MappingProxyType({})) -> None:
        """Has seen nothing yet; `half_lives_s` are those of the model's further heads."""
        self._half_lives_s = HALF_LIVES_S | dict(half_lives_s)
        self.count: int = 0
        self.last_s: float = -np.inf
        self._age = AgeEvidence()
        self._classes: dict[str, ClassEvidence] = {}

    def add(self, face: Face, time_s: float, trust: float = 1.0) -> None:
        """Takes what the model says of one frame.

        Args:
            face: with or without any of the heads.
            time_s: not before the last one.
            trust: above 0; less for a crop that shows less of the face.
        """
        passed_s = float(np.clip(time_s - self.last_s, 0.0, _LONGEST_GAP_S)) if self.count else 0.0
        if face.age_years is not None:
            self._age.add(face.age_years, face.age_interval_90, trust, passed_s)
        for head in face.heads:
            self._add_class(head, face.probabilities(head) or {}, trust, passed_s)
        if face.face_probability is not None:
            self._add_class("face", {"face": face.face_probability}, 1.0, passed_s)
        self.count += 1
        self.last_s = time_s

    def fields(self) -> dict[str, Any]:
        """What `core.faces.Face` says of the person: the keywords that are known, {} before any frame."""
        known: dict[str, Any] = {}
        if self._age.count:
            known["age_years"], known["age_interval_90"] = self._age.estimate()
        said = {head: evidence.probabilities() for head, evidence in self._classes.items()}
        if (presence := said.pop("face", None)) is not None:
            known["face_probability"] = min(presence["face"], 1.0)
        known |= {f"{head}_probabilities": said.pop(head) for head in FACE_HEADS if head in said}
        if said:
            known["further"] = said
        return known

    def _add_class(
        self, head: str, probabilities: Mapping[str, float], weight: float, passed_s: float
    ) -> None:
        evidence = self._classes.setdefault(
            head, ClassEvidence(self._half_lives_s.get(head, FURTHER_HALF_LIFE_S))
        )
        evidence.add(probabilities, weight, passed_s)


@dataclass(eq=False)
class Person:
    """What is kept about a track.

    Attributes:
        detection: the last one by a detector.
        patch: the looks.
        sighted_s: when a detector saw the face last.
        seen_s: when it was last seen by a detector, or held by its looks.
        likeness: how much it looked then as before, a correlation.
    """

    detection: Detection
    patch: Patch
    sighted_s: float
    seen_s: float
    likeness: float = 1.0
    evidence: Evidence = field(default_factory=Evidence)

    def see(self, detection: Detection, grey: Array, xyxy: Array, time_s: float) -> None:
        """A detector sees the face again; `xyxy` is the detection's box, steadied."""
        self.likeness = self.patch.follow(grey, xyxy)[1]
        self.detection, self.sighted_s, self.seen_s = detection, time_s, time_s
        self.patch = Patch(grey, xyxy)

    def hold(self, grey: Array, xyxy: Box, time_s: float) -> Array | None:
        """Looks around a box for the face.

        Returns its box (4,) float64, or None when it is not to be seen or was held for too long.
        """
        if time_s - self.sighted_s > HOLD_S:
            return None
        found, likeness = self.patch.follow(grey, xyxy)
        if likeness < _LIKE:
            return None
        self.seen_s, self.likeness = time_s, likeness
        if likeness >= _VERY_LIKE:
            self.patch = Patch(grey, found)
        return found

    def wants_reading(self, time_s: float) -> bool:
        """Should the network look at the face in this frame?"""
        if self.seen_s < time_s:
            return False
        every_s = _READ_EVERY_S if time_s - self.sighted_s <= SURE_S else _READ_HELD_S
        first = self.evidence.count < _FIRST_READS
        return first or self.likeness < _UNLIKE or time_s - self.evidence.last_s >= every_s

    def is_other(self, face: Face) -> bool:
        """Is what the network says now of somebody else, who has taken this one's place?"""
        if not self.evidence.count or self.likeness >= _UNLIKE:
            return False
        known = Face(face.box_xyxy, face.detector_confidence, **self.evidence.fields())
        return appearance_distance(known, face) > _OTHER

    def read(self, face: Face, time_s: float) -> None:
        """The network has looked."""
        self.evidence.add(face, time_s)

    def shown(self, time_s: float) -> bool:
        """Is the face to be shown in this frame?"""
        return self.evidence.count > 0 and time_s - self.seen_s <= SHOWN_S


_EVERY_S = 0.05
"""Of a detector that does not say how often it is to look."""
_STILL_S = 0.4
"""How long the faces of an unchanged picture are given again without a look at it."""


class LiveAnalyzer:
    """Follows faces from frame to frame. For one thread; the same frames give the same faces."""

    def __init__(self, analyzer: Analyzer) -> None:
        """Begins with nobody known; `analyzer` finds, cuts and reads faces, and says which are none."""
        self._analyzer = analyzer
        self._search = FrameSearch(analyzer.detector)
        self._tracker = Tracker()
        self._people: dict[Track, Person] = {}
        self._signature: FrameSignature | None = None
        self._analyzed_s = 0.0
        self._last: list[Face] = []

    def analyze(self, image_rgb: Array, time_s: float) -> list[Face]:
        """Everybody in a (H, W, 3) uint8 RGB frame, from left to right.

        Args:
            image_rgb: is not changed.
            time_s: later than that of the frame before.
        """
        signature = FrameSignature(image_rgb)
        if self._signature is not None and signature.is_cut_from(self._signature):
            self.reset()
        if self._is_still(signature, time_s):
            return list(self._last)
        prepared = PreparedFrame(image_rgb, signature)
        self._signature, self._analyzed_s = signature, time_s
        self._follow(prepared, time_s)
        self._read(prepared, time_s)
        self._last = self._faces(prepared, time_s)
        return list(self._last)

    def _is_still(self, signature: FrameSignature, time_s: float) -> bool:
        """Does the frame show what was analysed a moment ago?"""
        if self._signature is None or not 0 <= time_s - self._analyzed_s < _STILL_S:
            return False
        return signature.changed_since(self._signature) is None

    def reset(self) -> None:
        """The next frame has nothing to do with the last one; numbers go on."""
        self._tracker.end_all()
        self._people = {}
        self._search.reset()
        self._signature = None

    def _follow(self, prepared: PreparedFrame, time_s: float) -> None:
        """Where everybody is by now."""
        self._tracker.forget(time_s)
        self._people = {track: self._people[track] for track in self._tracker.tracks}
        detections = self._search.find(prepared.image_rgb, time_s)
        boxes = np.array([detection.xyxy for detection in detections]).reshape(-1, 4)
        for detection, track in zip(detections, self._tracker.update(boxes, time_s), strict=True):
            self._see(track, detection, prepared, time_s)
        for track, person in self._people.items():
            if person.seen_s < time_s:
                self._hold(track, person, prepared, time_s)

    def _hold(self, track: Track, person: Person, prepared: PreparedFrame, time_s: float) -> None:
        held = person.hold(prepared.grey, track.motion.at(time_s), time_s)
        if held is not None:
            track.motion.observe(held, time_s)

    def _see(self, track: Track, detection: Detection, prepared: PreparedFrame, time_s: float) -> None:
        person = self._people.get(track)
        if person is None:
            patch = Patch(prepared.grey, detection.xyxy)
            self._people[track] = self._person(detection, patch, time_s)
        else:
            person.see(detection, prepared.grey, track.motion.xyxy, time_s)

    def _read(self, prepared: PreparedFrame, time_s: float) -> None:
        """Shows the network those whom it has not seen for a while."""
        wanted = [track for track, person in self._people.items() if person.wants_reading(time_s)]
        if not wanted:
            return
        scores = np.array([self._people[track].detection.score for track in wanted], np.float32)
        boxes = self._boxes(prepared, wanted, time_s)
        predictor = self._analyzer.predictor
        outputs = predictor.predict(
            self._analyzer.cut(prepared.image_rgb, boxes, self._landmarks(wanted, boxes))
        )
        further = predictor.checkpoint.further
        faces = read_out(boxes, scores, outputs, predictor.calibration, further=further)
        for track, face in zip(wanted, faces, strict=True):
            if self._people[track].is_other(face):
                track = self._begin_afresh(track, prepared, time_s)
            self._people[track].read(face, time_s)

    def _begin_afresh(self, track: Track, prepared: PreparedFrame, time_s: float) -> Track:
        """Somebody new has taken the place of a person: nothing that was known is true of them."""
        detection = self._people.pop(track).detection
        self._tracker.end(track)
        new = self._tracker.begin(track.motion.xyxy, time_s)
        self._people[new] = self._person(detection, Patch(prepared.grey, track.motion.xyxy), time_s)
        return new

    def _person(self, detection: Detection, patch: Patch, time_s: float) -> Person:
        """Somebody of whom nothing is known yet."""
        evidence = Evidence(self._analyzer.predictor.checkpoint.half_lives_s)
        return Person(detection, patch, time_s, time_s, evidence=evidence)

    def _faces(self, prepared: PreparedFrame, time_s: float) -> list[Face]:
        shown = [(track, person) for track, person in self._people.items() if person.shown(time_s)]
        boxes = self._boxes(prepared, [track for track, _ in shown], time_s).tolist()
        points = self._landmarks([track for track, _ in shown], np.array(boxes).reshape(-1, 4))
        faces = []
        for box, five, (track, person) in zip(boxes, points, shown, strict=True):
            look = alignment_of(five, person.detection.landmark_error)
            known = look._asdict() | person.evidence.fields()
            faces.append(Face(tuple(box), person.detection.score, track=track.number, **known))
        reading = self._analyzer.reading
        doubts = doubts_of(self._analyzer.predictor.calibration, reading.uncertain_below)
        marked = mark_rejected([doubts.mark(face) for face in faces], self._analyzer.face_threshold)
        return sorted(self._analyzer.shown(marked), key=lambda face: face.box_xyxy)

    def _landmarks(self, tracks: list[Track], boxes: Array) -> Array:
        """(n, 5, 2) landmarks of faces in boxes (n, 4); NaN where not known."""
        seen = [self._people[track].detection for track in tracks]
        points = [one.landmarks_in(box) for one, box in zip(seen, boxes, strict=True)]
        return np.array(points).reshape(-1, 5, 2)

    def _boxes(self, prepared: PreparedFrame, tracks: list[Track], time_s: float) -> Array:
        """(n, 4) int32 xyxy inside the frame."""
        height, width = prepared.grey.shape
        boxes = np.array([track.motion.at(time_s) for track in tracks]).reshape(-1, 4)
        return clip_boxes(boxes, (width, height))


class FrameSearch:
    """A detector that looks at whole frames of one video. For one thread."""

    def __init__(self, detector: Detector) -> None:
        """Looks at a frame when the last one it looked at is the detector's `every_s` older, or more."""
        self._detector = detector
        self._every_s = getattr(detector, "every_s", _EVERY_S)
        self._last_s = -np.inf

    def find(self, image_rgb: Array, time_s: float) -> list[Detection]:
        """All faces of a (H, W, 3) uint8 RGB frame, or none at all between two searches."""
        if time_s - self._last_s < self._every_s:
            return []
        self._last_s = time_s
        return list(_each(detect_inside(self._detector, image_rgb)))

    def reset(self) -> None:
        """The next frame is of another scene: it is searched."""
        self._last_s = -np.inf


def _each(found: Detections) -> Iterator[Detection]:
    for row, (box, score) in enumerate(zip(found.xyxy, found.scores, strict=True)):
        points = None if found.landmarks is None else found.landmarks[row]
        error = None if found.landmark_errors is None else float(found.landmark_errors[row])
        yield Detection(np.asarray(box, np.float64), float(score), points, error)
