"""One person of a video: how they look, when they were seen, and what is known of them."""

from dataclasses import dataclass, field

import numpy as np

from facecli.crops import Box
from facecli.faces import Face
from facecli.vision.appearance import distance
from facecli.vision.patch import Patch
from facecli.vision.sighting import Sighting
from facecli.vision.smooth import Evidence

HOLD_S = 1.0
"""How long a face is held by its looks alone, without a detector that sees it."""
SHOWN_S = 0.2
"""How long a face is shown that nothing sees any more."""
SURE_S = 0.1
"""How long a face that looks as before needs no detector."""
_SIGHTS = 2
"""Sightings after which an unsure face is believed."""
_LIKE, _VERY_LIKE = 0.6, 0.9
"""Correlations above which a face is still there, and above which nobody need ask."""
_UNLIKE, _OTHER = 0.7, 0.25
"""Correlation below which, and distance above which it is somebody else. Of faces of one person
0.13 s apart 1 % are both, of faces of two people 87 % (clips and pictures, `appearance.distance`)."""
_FIRST_READS, _READ_EVERY_S, _READ_HELD_S = 5, 0.1, 0.3
_FRONTAL_TRUST, _PROFILE_TRUST = 1.0, 0.3


@dataclass(eq=False)
class Person:
    """What is kept about a track.

    Attributes:
        sighting: the last one by a detector.
        patch: the looks.
        sighted_s: when a detector saw the face last.
        seen_s: when it was last seen by a detector, or held by its looks.
        likeness: how much it looked then as before, a correlation.
        sure: a detector was sure of it.
        sights: how many sightings there were.
        misses: how often it was searched in vain since the last one.
    """

    sighting: Sighting
    patch: Patch
    sighted_s: float
    seen_s: float
    likeness: float = 1.0
    sure: bool = False
    sights: int = 1
    misses: int = 0
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def believed(self) -> bool:
        """Is it a face, as far as detectors know?"""
        return self.sure or self.sights >= _SIGHTS

    def see(self, sighting: Sighting, grey: np.ndarray, xyxy: np.ndarray, time_s: float) -> None:
        """A detector sees the face again; `xyxy` is the sighting's box, steadied."""
        self.likeness = self.patch.follow(grey, xyxy)[1]
        self.sighting, self.sighted_s, self.seen_s = sighting, time_s, time_s
        self.patch = Patch(grey, xyxy)
        self.sure = self.sure or sighting.sure
        self.sights += 1
        self.misses = 0

    def hold(self, grey: np.ndarray, xyxy: Box, time_s: float) -> np.ndarray | None:
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

    @property
    def very_like(self) -> bool:
        """Did it look as before when it was seen last?"""
        return self.likeness >= _VERY_LIKE

    def wants_reading(self, time_s: float) -> bool:
        """Should the network look at the face in this frame?"""
        if not self.believed or self.seen_s < time_s:
            return False
        every_s = _READ_EVERY_S if time_s - self.sighted_s <= SURE_S else _READ_HELD_S
        first = self.evidence.count < _FIRST_READS
        return first or self.likeness < _UNLIKE or time_s - self.evidence.last_s >= every_s

    def is_other(self, face: Face) -> bool:
        """Is what the network says now of somebody else, who has taken this one's place?"""
        if not self.evidence.count or self.likeness >= _UNLIKE:
            return False
        known = Face(face.box_xyxy, face.detector_confidence, **self.evidence.fields())
        return distance(known, face) > _OTHER

    def read(self, face: Face, time_s: float) -> None:
        """The network has looked."""
        trust = _PROFILE_TRUST if self.sighting.pose else _FRONTAL_TRUST
        self.evidence.add(face, time_s, trust)

    def shown(self, time_s: float) -> bool:
        """Is the face to be shown in this frame?"""
        return self.evidence.count > 0 and time_s - self.seen_s <= SHOWN_S
