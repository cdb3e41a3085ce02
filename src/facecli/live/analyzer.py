"""Frames of one video become people: found, followed, and known better with every frame."""

import numpy as np

from facecli.core.crops import clip_boxes
from facecli.core.faces import Face
from facecli.infer.analyzer import Analyzer, mark_rejected, read_out
from facecli.live.detector import LiveDetector, build_live_detector
from facecli.live.evidence import SURE_S, Person
from facecli.live.frames import Detection, ExpectedFace, FrameSignature, PreparedFrame
from facecli.live.local_search import Patch
from facecli.live.tracking import Track, Tracker

_STILL_S = 0.4
"""How long the faces of an unchanged picture are given again without a look at it."""


class LiveAnalyzer:
    """Follows faces from frame to frame. For one thread; the same frames give the same faces."""

    def __init__(self, analyzer: Analyzer, detector: LiveDetector) -> None:
        """Begins with nobody known.

        Args:
            analyzer: cuts and reads faces, and says which are none.
            detector: finds them.
        """
        self._analyzer = analyzer
        self._detector = detector
        self._tracker = Tracker()
        self._people: dict[Track, Person] = {}
        self._signature: FrameSignature | None = None
        self._analyzed_s = 0.0
        self._last: list[Face] = []

    def analyze(self, image_rgb: np.ndarray, time_s: float) -> list[Face]:
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
        self._detector.reset()
        self._signature = None

    def _follow(self, prepared: PreparedFrame, time_s: float) -> None:
        """Where everybody is by now."""
        self._tracker.forget(time_s)
        self._people = {track: self._people[track] for track in self._tracker.tracks}
        known = [self._known(track, person, prepared, time_s) for track, person in self._people.items()]
        detections = self._detector.find(prepared, time_s, known)
        boxes = np.array([detection.xyxy for detection in detections]).reshape(-1, 4)
        for detection, track in zip(detections, self._tracker.update(boxes, time_s), strict=True):
            self._see(track, detection, prepared, time_s)
        for track, person in self._people.items():
            if person.seen_s < time_s:
                person.misses += 1
                self._hold(track, person, prepared, time_s)

    def _known(self, track: Track, person: Person, prepared: PreparedFrame, time_s: float) -> ExpectedFace:
        """Where somebody should be; who looks as a moment ago is there."""
        if time_s - person.sighted_s <= SURE_S and person.very_like:
            self._hold(track, person, prepared, time_s)
        seen = person.seen_s == time_s and person.very_like
        return ExpectedFace(track.motion.at(time_s), person.detection.pose, person.misses, seen)

    def _hold(self, track: Track, person: Person, prepared: PreparedFrame, time_s: float) -> None:
        held = person.hold(prepared.grey, track.motion.at(time_s), time_s)
        if held is not None:
            track.motion.observe(held, time_s)

    def _see(self, track: Track, detection: Detection, prepared: PreparedFrame, time_s: float) -> None:
        person = self._people.get(track)
        if person is None:
            patch = Patch(prepared.grey, detection.xyxy)
            self._people[track] = Person(detection, patch, time_s, time_s, sure=detection.sure)
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
        faces = read_out(boxes, scores, outputs, predictor.calibration)
        for track, face in zip(wanted, faces, strict=True):
            if self._people[track].is_other(face):
                track = self._begin_afresh(track, prepared, time_s)
            self._people[track].read(face, time_s)

    def _begin_afresh(self, track: Track, prepared: PreparedFrame, time_s: float) -> Track:
        """Somebody new has taken the place of a person: nothing that was known is true of them."""
        detection = self._people.pop(track).detection
        self._tracker.end(track)
        new = self._tracker.begin(track.motion.xyxy, time_s)
        self._people[new] = Person(
            detection, Patch(prepared.grey, track.motion.xyxy), time_s, time_s, sure=True
        )
        return new

    def _faces(self, prepared: PreparedFrame, time_s: float) -> list[Face]:
        shown = [(track, person) for track, person in self._people.items() if person.shown(time_s)]
        boxes = self._boxes(prepared, [track for track, _ in shown], time_s).tolist()
        points = self._landmarks([track for track, _ in shown], np.array(boxes).reshape(-1, 4))
        faces = [
            Face(
                tuple(box),
                person.detection.score,
                track=track.number,
                landmarks=None if np.isnan(five).any() else tuple((x, y) for x, y in five.tolist()),
                **person.evidence.fields(),
            )
            for box, five, (track, person) in zip(boxes, points, shown, strict=True)
        ]
        marked = mark_rejected(faces, self._analyzer.face_threshold)
        return sorted(self._analyzer.shown(marked), key=lambda face: face.box_xyxy)

    def _landmarks(self, tracks: list[Track], boxes: np.ndarray) -> np.ndarray:
        """(n, 5, 2) landmarks of faces in boxes (n, 4); NaN where not known."""
        seen = [self._people[track].detection for track in tracks]
        points = [one.landmarks_in(box) for one, box in zip(seen, boxes, strict=True)]
        return np.array(points).reshape(-1, 5, 2)

    def _boxes(self, prepared: PreparedFrame, tracks: list[Track], time_s: float) -> np.ndarray:
        """(n, 4) int32 xyxy inside the frame."""
        height, width = prepared.grey.shape
        boxes = np.array([track.motion.at(time_s) for track in tracks]).reshape(-1, 4)
        return clip_boxes(boxes, (width, height))


def build_live_analyzer(analyzer: Analyzer) -> LiveAnalyzer:
    """What follows the faces that `analyzer` finds, in the way of its detector."""
    return LiveAnalyzer(analyzer, build_live_detector(analyzer.detector))
