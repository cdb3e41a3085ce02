"""Frames of one video become people: found, followed, and known better with every frame."""

import numpy as np

from facecli.faces import Face
from facecli.vision.analyze import Analyzer, read_out
from facecli.vision.boxes import clip_boxes
from facecli.vision.gate import mark_rejected
from facecli.vision.glance import Glance
from facecli.vision.live_detect import LiveDetector, build_live_detector
from facecli.vision.patch import Patch
from facecli.vision.person import SURE_S, Person
from facecli.vision.sighting import Known, Look, Sighting
from facecli.vision.tracker import Track, Tracker

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
        self._glance: Glance | None = None
        self._analyzed_s = 0.0
        self._last: list[Face] = []

    def analyze(self, image_rgb: np.ndarray, time_s: float) -> list[Face]:
        """Everybody in a (H, W, 3) uint8 RGB frame, from left to right.

        Args:
            image_rgb: is not changed.
            time_s: later than that of the frame before.
        """
        glance = Glance(image_rgb)
        if self._glance is not None and glance.is_cut_from(self._glance):
            self.reset()
        if self._is_still(glance, time_s):
            return list(self._last)
        look = Look(image_rgb, glance)
        self._glance, self._analyzed_s = glance, time_s
        self._follow(look, time_s)
        self._read(look, time_s)
        self._last = self._faces(look, time_s)
        return list(self._last)

    def _is_still(self, glance: Glance, time_s: float) -> bool:
        """Does the frame show what was analysed a moment ago?"""
        if self._glance is None or not 0 <= time_s - self._analyzed_s < _STILL_S:
            return False
        return glance.changed_since(self._glance) is None

    def reset(self) -> None:
        """The next frame has nothing to do with the last one; numbers go on."""
        self._tracker.end_all()
        self._people = {}
        self._detector.reset()
        self._glance = None

    def _follow(self, look: Look, time_s: float) -> None:
        """Where everybody is by now."""
        self._tracker.forget(time_s)
        self._people = {track: self._people[track] for track in self._tracker.tracks}
        known = [self._known(track, person, look, time_s) for track, person in self._people.items()]
        sightings = self._detector.find(look, time_s, known)
        boxes = np.array([sighting.xyxy for sighting in sightings]).reshape(-1, 4)
        for sighting, track in zip(sightings, self._tracker.update(boxes, time_s), strict=True):
            self._see(track, sighting, look, time_s)
        for track, person in self._people.items():
            if person.seen_s < time_s:
                person.misses += 1
                self._hold(track, person, look, time_s)

    def _known(self, track: Track, person: Person, look: Look, time_s: float) -> Known:
        """Where somebody should be; who looks as a moment ago is there."""
        if time_s - person.sighted_s <= SURE_S and person.very_like:
            self._hold(track, person, look, time_s)
        seen = person.seen_s == time_s and person.very_like
        return Known(track.motion.at(time_s), person.sighting.pose, person.misses, seen)

    def _hold(self, track: Track, person: Person, look: Look, time_s: float) -> None:
        held = person.hold(look.grey, track.motion.at(time_s), time_s)
        if held is not None:
            track.motion.observe(held, time_s)

    def _see(self, track: Track, sighting: Sighting, look: Look, time_s: float) -> None:
        person = self._people.get(track)
        if person is None:
            patch = Patch(look.grey, sighting.xyxy)
            self._people[track] = Person(sighting, patch, time_s, time_s, sure=sighting.sure)
        else:
            person.see(sighting, look.grey, track.motion.xyxy, time_s)

    def _read(self, look: Look, time_s: float) -> None:
        """Shows the network those whom it has not seen for a while."""
        wanted = [track for track, person in self._people.items() if person.wants_reading(time_s)]
        if not wanted:
            return
        scores = np.array([self._people[track].sighting.score for track in wanted], np.float32)
        boxes = self._boxes(look, wanted, time_s)
        predictor = self._analyzer.predictor
        outputs = predictor.predict(self._analyzer.cut(look.image_rgb, boxes))
        faces = read_out(boxes, scores, outputs, predictor.calibration)
        for track, face in zip(wanted, faces, strict=True):
            if self._people[track].is_other(face):
                track = self._begin_afresh(track, look, time_s)
            self._people[track].read(face, time_s)

    def _begin_afresh(self, track: Track, look: Look, time_s: float) -> Track:
        """Somebody new has taken the place of a person: nothing that was known is true of them."""
        sighting = self._people.pop(track).sighting
        self._tracker.end(track)
        new = self._tracker.begin(track.motion.xyxy, time_s)
        self._people[new] = Person(sighting, Patch(look.grey, track.motion.xyxy), time_s, time_s, sure=True)
        return new

    def _faces(self, look: Look, time_s: float) -> list[Face]:
        shown = [(track, person) for track, person in self._people.items() if person.shown(time_s)]
        boxes = self._boxes(look, [track for track, _ in shown], time_s).tolist()
        faces = [
            Face(tuple(box), person.sighting.score, track=track.number, **person.evidence.fields())
            for box, (track, person) in zip(boxes, shown, strict=True)
        ]
        marked = mark_rejected(faces, self._analyzer.face_threshold)
        kept = [face for face in marked if self._analyzer.show_rejected or not face.rejected]
        return sorted(kept, key=lambda face: face.box_xyxy)

    def _boxes(self, look: Look, tracks: list[Track], time_s: float) -> np.ndarray:
        """(n, 4) int32 xyxy inside the frame."""
        height, width = look.grey.shape
        boxes = np.array([track.motion.at(time_s) for track in tracks]).reshape(-1, 4)
        return clip_boxes(boxes, (width, height))


def build_live_analyzer(analyzer: Analyzer) -> LiveAnalyzer:
    """What follows the faces that `analyzer` finds, in the way of its detector."""
    return LiveAnalyzer(analyzer, build_live_detector(analyzer.detector))
