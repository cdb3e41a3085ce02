"""A detector that takes the middle of every picture for a face, and a sink that counts faces."""

from dataclasses import dataclass

import numpy as np

from facecli.core.arrays import Array
from facecli.core.files import GrowingTextFile
from facecli.detect.registry import Detections, DetectorEntry
from facecli.models.terms import COMMERCIAL, Terms
from facecli.sinks.base import Record, SinkEntry


@dataclass(frozen=True)
class MiddleOptions:
    """`share` of the picture's shorter side that the box has; `score` of every face."""

    share: float = 0.5
    score: float = 1.0


class MiddleDetector:
    name = "example"

    def __init__(self, options: MiddleOptions) -> None:
        self._options = options

    def detect(self, frame_rgb: Array) -> Detections:
        height, width = frame_rgb.shape[:2]
        side = max(1, round(self._options.share * min(height, width)))
        left, top = (width - side) // 2, (height - side) // 2
        boxes = np.array([[left, top, left + side, top + side]], np.int32)
        return Detections(boxes, np.array([self._options.score], np.float32))


DETECTOR = DetectorEntry(
    MiddleDetector, Terms("MIT", COMMERCIAL), options=MiddleOptions, chip_crop=(0.0, 0.0)
)


class CountingSink:
    """Writes "source: faces" of every picture or frame."""

    wants_image = False

    def __init__(self, target: str) -> None:
        # An older file stays until there is a line to write, and nothing is left half-written.
        self._file = GrowingTextFile(target)

    def __enter__(self) -> "CountingSink":
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def write(self, record: Record) -> None:
        self._file.write(f"{record.source}: {len(record.result.faces)}\n")


SINK = SinkEntry(CountingSink)
