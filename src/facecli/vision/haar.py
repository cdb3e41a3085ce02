"""Haar cascade faces (Viola & Jones 2001): nothing to fetch, weak on turned and small faces."""

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facecli.errors import CheckpointError
from facecli.vision.boxes import boxes_from_xywh, from_left_to_right
from facecli.vision.haar_search import search

_SMALLEST = 30
"""Default smallest side in pixels of the shrunk picture: below it false faces begin."""
_STAGE_THRESHOLD = re.compile(rb"<stageThreshold>([^<]+)</stageThreshold>")


@dataclass(frozen=True)
class HaarOptions:
    """How a cascade searches; the defaults were measured (benchmarks/haar_settings.md).

    Attributes:
        scale_factor: step between two sizes of the search window, above 1; smaller is slower.
        min_neighbors: how many overlapping hits make a face; more gives fewer false faces.
        min_size: smallest side of a face in pixels of the given frame; None is 30 pixels of
            the shrunk one.
        longest_side: larger frames are shrunk to this longer side before the search, pixels.
    """

    scale_factor: float = 1.15
    min_neighbors: int = 5
    min_size: int | None = None
    longest_side: int = 640


class HaarDetector:
    """Finds frontal faces with a cascade that is read once, here."""

    name = "haar"

    def __init__(self, cascade: Path, options: HaarOptions | None = None) -> None:
        """Raises CheckpointError when `cascade` is not a cascade that OpenCV reads."""
        self.options = options or HaarOptions()
        self._cascade, self._threshold = load_cascade(cascade)

    def detect(self, frame_rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Finds every face, from left to right.

        Args:
            frame_rgb: (H, W, 3) uint8.

        Returns:
            xyxy: (n, 4) int32, pixels of the given frame, inside it; (0, 4) without a face.
            scores: (n,) float32 in [0, 1]: by how much the cascade's last stage was passed,
                squashed. It ranks faces; it is no probability.
        """
        height, width = frame_rgb.shape[:2]
        grey, scale = self._shrunk_grey(frame_rgb)
        options = self.options
        boxes, weights = search(
            self._cascade, grey, self._smallest(scale), options.scale_factor, options.min_neighbors
        )
        xyxy = boxes_from_xywh(boxes / scale, (width, height))
        return from_left_to_right(xyxy, squash(weights - self._threshold))

    def _shrunk_grey(self, frame_rgb: np.ndarray) -> tuple[np.ndarray, float]:
        """Grey picture to search in, and its side as a fraction of the frame's."""
        grey = cv2.cvtColor(frame_rgb, cv2.COLOR_RGB2GRAY)
        scale = min(1.0, self.options.longest_side / max(grey.shape))
        if scale < 1:
            height, width = (max(1, round(side * scale)) for side in grey.shape)
            grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
        return grey, scale

    def _smallest(self, scale: float) -> int:
        """Side of the smallest face in pixels of the shrunk picture."""
        smallest = self.options.min_size
        return _SMALLEST if smallest is None else max(1, round(smallest * scale))


def squash(excess: np.ndarray) -> np.ndarray:
    """Any real numbers as float32 in [0, 1], in the same order; 0 and below are 0."""
    return (1 - np.exp(-np.maximum(np.asarray(excess, np.float64), 0))).astype(np.float32)


def load_cascade(path: Path) -> tuple[cv2.CascadeClassifier, float]:
    """The cascade and the threshold of its last stage, above which a window is a face."""
    try:
        # Not by the constructor, whose failure hides OpenCV's error in a SystemError.
        cascade = cv2.CascadeClassifier()
        loaded = cascade.load(str(path))
        thresholds = _STAGE_THRESHOLD.findall(Path(path).read_bytes())
    except (cv2.error, OSError) as error:
        raise CheckpointError(f"{path} cannot be read as a Haar cascade; reinstall facecli") from error
    if not loaded or not thresholds:
        raise CheckpointError(f"{path} is not a Haar cascade; reinstall facecli")
    return cascade, float(thresholds[-1])
