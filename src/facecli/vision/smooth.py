"""What is known of one person, from all frames together."""

from collections.abc import Mapping

import numpy as np

from facecli.faces import FACE_HEADS, Face
from facecli.vision.smooth_age import AgeEvidence

HALF_LIVES_S = {"gender": 60.0, "race": 60.0, "race_7": 60.0, "emotion": 0.5, "face": 1.0}
"""Time after which a frame counts half as much as a new one: an expression passes, a person stays."""
_LONGEST_GAP_S = 1.0


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

    def __init__(self) -> None:
        """Has seen nothing yet."""
        self.count = 0
        self.last_s = -np.inf
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
        for head in FACE_HEADS:
            if (probabilities := face.probabilities(head)) is not None:
                self._add_class(head, probabilities, trust, passed_s)
        if face.face_probability is not None:
            self._add_class("face", {"face": face.face_probability}, 1.0, passed_s)
        self.count += 1
        self.last_s = time_s

    def fields(self) -> dict:
        """What `faces.Face` says of the person: the keywords that are known, {} before any frame."""
        known: dict = {}
        if self._age.count:
            known["age_years"], known["age_interval_90"] = self._age.estimate()
        for head in FACE_HEADS:
            if head in self._classes:
                known[f"{head}_probabilities"] = self._classes[head].probabilities()
        if "face" in self._classes:
            known["face_probability"] = min(self._classes["face"].probabilities()["face"], 1.0)
        return known

    def _add_class(
        self, head: str, probabilities: Mapping[str, float], weight: float, passed_s: float
    ) -> None:
        evidence = self._classes.setdefault(head, ClassEvidence(HALF_LIVES_S[head]))
        evidence.add(probabilities, weight, passed_s)
