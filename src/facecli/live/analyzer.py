"""Frames of one video become people: found, followed, and known better with every frame."""

from collections.abc import Iterator

import numpy as np

from facecli.core.arrays import Array
from facecli.core.crops import clip_boxes
from facecli.core.faces import Face
from facecli.detect.registry import Detections, Detector, detect_inside
from facecli.infer.analyzer import Analyzer, alignment_of, doubts_of, mark_rejected, read_out
from facecli.live.evidence import Evidence, Person
from facecli.live.frames import Detection, FrameSignature, Patch, PreparedFrame
from facecli.live.tracking import Track, Tracker

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
