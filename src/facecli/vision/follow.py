"""Boxes between two analyses: each frame that is drawn asks where the faces are by now."""

from collections.abc import Sequence
from dataclasses import replace

from facecli.faces import Face
from facecli.vision.motion import Motion

EXPIRES_S = 0.5
"""What was said of a frame longer ago than this is no longer shown."""


class BoxFollower:
    """Moves the faces of the last analysis on. For one thread."""

    def __init__(self) -> None:
        """Knows no face yet."""
        self._faces: tuple[Face, ...] = ()
        self._time_s = 0.0
        self._motions: dict[int, Motion] = {}

    def update(self, faces: Sequence[Face], time_s: float) -> None:
        """The faces of an analysed frame: the others have gone.

        A time before the last one is a new start (the file was wound back).
        """
        known = self._motions if time_s >= self._time_s else {}
        self._motions = {}
        for face in faces:
            if face.track is not None:
                motion = known.get(face.track) or Motion(face.box_xyxy, time_s)
                motion.observe(face.box_xyxy, time_s)
                self._motions[face.track] = motion
        self._faces, self._time_s = tuple(faces), time_s

    def at(self, time_s: float) -> list[Face]:
        """The faces with the boxes that they have by then; [] after EXPIRES_S.

        Faces without a track stay where they were. A box may reach out of the picture.
        """
        if time_s - self._time_s > EXPIRES_S:
            return []
        return [self._moved(face, time_s) for face in self._faces]

    def _moved(self, face: Face, time_s: float) -> Face:
        motion = self._motions.get(face.track) if face.track is not None else None
        if motion is None:
            return face
        x_min, y_min, x_max, y_max = (round(float(value)) for value in motion.at(time_s))
        return replace(face, box_xyxy=(x_min, y_min, x_max, y_max))
