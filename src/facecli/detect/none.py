"""No detector, for pictures that are cropped already: the whole picture is one face."""

import numpy as np

from facecli.core.arrays import Array
from facecli.detect.registry import WHOLE_PICTURE, Detections, DetectorEntry, NoOptions
from facecli.models.terms import COMMERCIAL, Terms


class WholePicture:
    """Says that the whole picture is a face."""

    name = WHOLE_PICTURE
    every_s: float = 0.0

    def detect(self, frame_rgb: Array) -> Detections:
        """The frame itself as the only box, score 1."""
        height, width = frame_rgb.shape[:2]
        return Detections(np.array([[0, 0, width, height]], np.int32), np.ones(1, np.float32))


def _build(_: NoOptions) -> WholePicture:
    return WholePicture()


DETECTOR = DetectorEntry(_build, Terms("none needed: nothing is searched", COMMERCIAL), chip_crop=(0.0, 0.0))
