"""From frames to rows, and what is left to say at the end."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from facecli.faces import Face, FrameResult
from facecli.stream.sources import Frame


class Summary(NamedTuple):
    """Counts of a finished stream; a face in ten analysed frames counts ten times."""

    frames: int = 0
    faces: int = 0
    analyzed: int = 0


def frame_result(given: str, frame: Frame, faces: Sequence[Face]) -> FrameResult:
    """The row of a frame of the source that is called `given`."""
    height, width = frame.image_rgb.shape[:2]
    return FrameResult(given, width, height, tuple(faces), frame.index, frame.time_s)


def count_faces(faces: Iterable[Face]) -> int:
    """Those that the model takes for faces."""
    return sum(not face.rejected for face in faces)
