"""Detection that keeps up with a video: known faces in every frame, new ones now and then."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from facecli.core.crops import overlaps
from facecli.core.paths import find_cascade
from facecli.detect.haar import HaarDetector, HaarOptions
from facecli.detect.registry import Detector
from facecli.live.frames import Detection, ExpectedFace, PreparedFrame
from facecli.live.local_search import find_nearby
from facecli.live.search import FRONTAL_FILE, PROFILE_FILE, Cascade, FrameSearch, score_of
from facecli.live.tracking import SAME

_EVERY_S = 0.05


class LiveDetector(Protocol):
    """What finds faces in frame after frame."""

    def find(self, prepared: PreparedFrame, time_s: float, known: Sequence[ExpectedFace]) -> list[Detection]:
        """Faces seen in this frame; a known one that is missing may just not have been searched."""
        ...

    def reset(self) -> None:
        """The next frame is of another scene."""
        ...


class HaarSearch:
    """Haar cascades: around known faces in every frame, elsewhere by turns (`Sweep`)."""

    def __init__(self, options: HaarOptions | None = None) -> None:
        """Reads the cascades. Raises CheckpointError."""
        frontal, profile = find_cascade(FRONTAL_FILE), find_cascade(PROFILE_FILE)
        self._cascades = (
            Cascade(frontal),
            Cascade(profile, profile=True),
            Cascade(profile, profile=True, mirrored=True),
        )
        self._sweep = FrameSearch(self._cascades, options or HaarOptions())

    def find(self, prepared: PreparedFrame, time_s: float, known: Sequence[ExpectedFace]) -> list[Detection]:
        """Known faces first, then who is new."""
        found = [self._around(prepared.grey, face) for face in known if not face.seen]
        again = [detection for detection in found if detection is not None]
        there = [face.xyxy for face in known if face.seen] + [detection.xyxy for detection in again]
        return distinct([*again, *self._sweep.find(prepared, time_s, there)])

    def reset(self) -> None:
        """The next frame is searched as the first was."""
        self._sweep.reset()

    def _around(self, grey: np.ndarray, face: ExpectedFace) -> Detection | None:
        # One other pose in each frame, by turns: a face that nobody sees must not cost the most.
        others = [pose for pose in range(len(self._cascades)) if pose != face.pose]
        order = face.pose, others[face.misses % len(others)]
        found = find_nearby(grey, face.xyxy, self._cascades, order)
        if found is None:
            return None
        return Detection(found.xyxy, score_of(found.hits), pose=found.cascade, sure=False)


class Spaced:
    """A detector that is quick enough to search whole frames, every so often."""

    def __init__(self, detector: Detector, every_s: float) -> None:
        """Searches a frame when the last one searched is `every_s` older, or more."""
        self._detector = detector
        self._every_s = every_s
        self._last_s = -np.inf

    def find(self, prepared: PreparedFrame, time_s: float, known: Sequence[ExpectedFace]) -> list[Detection]:
        """All faces, or none at all between two searches."""
        if time_s - self._last_s < self._every_s:
            return []
        self._last_s = time_s
        xyxy, scores, landmarks = self._detector.detect(prepared.image_rgb)
        points = [None] * len(scores) if landmarks is None else landmarks
        return [
            Detection(np.asarray(box, np.float64), float(score), landmarks=five)
            for box, score, five in zip(xyxy, scores, points, strict=True)
        ]

    def reset(self) -> None:
        """The next frame is searched."""
        self._last_s = -np.inf


def build_live_detector(detector: Detector) -> LiveDetector:
    """What keeps up with a video in the way of `detector`."""
    if isinstance(detector, HaarDetector):
        return HaarSearch(detector.options)
    return Spaced(detector, getattr(detector, "every_s", _EVERY_S))


def distinct(detections: Sequence[Detection]) -> list[Detection]:
    """Each face once: of boxes that overlap the first."""
    kept: list[Detection] = []
    for detection in detections:
        others = np.array([other.xyxy for other in kept]).reshape(-1, 4)
        if not (overlaps(detection.xyxy[None], others) > SAME).any():
            kept.append(detection)
    return kept
