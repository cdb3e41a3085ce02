"""YuNet faces (Wu, Peng & Yu 2023), a small network that sees turned and small faces too."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facecli.core.arrays import Array
from facecli.core.crops import boxes_from_xywh, order_from_left_to_right
from facecli.core.errors import CheckpointError, InputError
from facecli.detect.registry import Detections, DetectorEntry, check_range
from facecli.models.terms import RESEARCH, Source, Terms

_SCORE_COLUMN = 14
_NMS_THRESHOLD = 0.3
_SMALLEST_INPUT = 64
"""Pixels a side. With 32 x 32 and less OpenCV's network answers with leftovers of earlier frames."""


@dataclass(frozen=True)
class YunetOptions:
    """How the network searches.

    Attributes:
        weights: face_detection_yunet_*.onnx of the OpenCV model zoo.
        score_threshold: faces below this score are dropped, in [0, 1].
        longest_side: larger frames are shrunk to this longer side before the search, pixels.
    """

    weights: Path | None = None
    score_threshold: float = 0.7
    longest_side: int = 640

    def __post_init__(self) -> None:
        """Raises InputError for a value that finds nothing, or everything."""
        check_range("yunet", "score_threshold", self.score_threshold, 0.0, 1.0)
        check_range("yunet", "longest_side", self.longest_side, 1)


class YunetDetector:
    """Finds faces with `cv2.FaceDetectorYN` and weights from an ONNX file."""

    name = "yunet"
    every_s: float = 0.05

    def __init__(self, options: YunetOptions) -> None:
        """Loads the network once. Raises InputError without a file, CheckpointError for another file."""
        self.longest_side: int = options.longest_side
        weights, score_threshold = options.weights, options.score_threshold
        if weights is None:
            raise InputError("the yunet detector needs a file of weights", "name one with --detector-weights")
        if not Path(weights).is_file():
            raise CheckpointError(f"no detector weights at {weights}", "check --detector-weights")
        try:
            self._network = cv2.FaceDetectorYN.create(
                str(weights), "", (320, 320), score_threshold=score_threshold, nms_threshold=_NMS_THRESHOLD
            )
            # A network of another kind loads, and fails only when it is run.
            self._network.detect(np.zeros((320, 320, 3), np.uint8))
        except cv2.error as error:
            raise CheckpointError(
                f"{weights} is not a YuNet network; fetch it with 'facecli weights get yunet'"
            ) from error

    def detect(self, frame_rgb: Array) -> Detections:
        """Finds every face of a (H, W, 3) uint8 RGB picture, with landmarks; scores are the network's own."""
        height, width = frame_rgb.shape[:2]
        scale = min(1.0, self.longest_side / max(height, width))
        searched_wh = max(1, round(width * scale)), max(1, round(height * scale))
        searched = _at_least(
            cv2.resize(frame_rgb, searched_wh, interpolation=cv2.INTER_AREA), _SMALLEST_INPUT
        )
        self._network.setInputSize(searched.shape[1::-1])
        _, rows = self._network.detect(cv2.cvtColor(searched, cv2.COLOR_RGB2BGR))
        if rows is None:
            return Detections(
                np.empty((0, 4), np.int32), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32)
            )
        xyxy = boxes_from_xywh(rows[:, :4] / scale, (width, height))
        landmarks = rows[:, 4:14].reshape(-1, 5, 2).astype(np.float32) / scale
        scores = np.clip(rows[:, _SCORE_COLUMN], 0, 1).astype(np.float32)
        order = order_from_left_to_right(xyxy)
        return Detections(xyxy[order], scores[order], landmarks[order])


def _at_least(image: Array, side: int) -> Array:
    """The picture with black to its right and below, where it is smaller than `side`."""
    height, width = image.shape[:2]
    if min(height, width) >= side:
        return image
    below, beside = max(side - height, 0), max(side - width, 0)
    return cv2.copyMakeBorder(image, 0, below, 0, beside, cv2.BORDER_CONSTANT)


DETECTOR = DetectorEntry(
    YunetDetector,
    Terms(
        "MIT",
        RESEARCH,
        (Source("WIDER FACE", "http://shuoyang1213.me/WIDERFACE/", "non-commercial research"),),
    ),
    YunetOptions,
    chip_crop=(-0.083, 0.113),
    published_weights="yunet",
)
