"""Is it a face at all? Haar finds faces in curtains; the model's head `face` refuses them."""

from collections.abc import Sequence
from dataclasses import replace

from facecli.faces import Face


def mark_rejected(faces: Sequence[Face], threshold: float | None) -> list[Face]:
    """The same faces, those that are none marked `rejected` and rid of age, gender and the like.

    Args:
        faces: with or without `face_probability`; without it a face is believed.
        threshold: a `face_probability` below it is refused; None refuses nothing.
    """
    return [_refused(face) if _is_none(face, threshold) else face for face in faces]


def _is_none(face: Face, threshold: float | None) -> bool:
    if threshold is None or face.face_probability is None:
        return False
    return face.face_probability < threshold


def _refused(face: Face) -> Face:
    bare = Face(face.box_xyxy, face.detector_confidence)
    return replace(bare, face_probability=face.face_probability, rejected=True)
