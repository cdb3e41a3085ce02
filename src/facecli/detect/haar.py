"""Haar cascade faces (Viola & Jones 2001): nothing to fetch, weak on turned and small faces.

OpenCV moves the window by two pixels of the scaled picture while the window is less than twice its own
size, and by one pixel when it is larger (`CascadeClassifierInvoker`): three quarters of a search go
into large windows, which see a face a dozen times over. Here every octave is searched in a picture
that was halved, so always in steps of two pixels, and only what answers is looked at closely.
Measured in benchmarks/haar_search.md.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facecli.core.arrays import Array
from facecli.core.crops import boxes_from_xywh, from_left_to_right
from facecli.core.errors import CheckpointError
from facecli.core.paths import find_cascade
from facecli.detect.registry import Detections, DetectorEntry, check_range
from facecli.models.terms import COMMERCIAL, Source, Terms

_ROOM, _SIZES = 0.4, 1.5
"""What is looked at around a candidate, in its sides, and how much larger or smaller faces may be."""
_ALIKE = 0.5
"""Candidates that differ by less (`cv2.groupRectangles`) are looked at once."""
_SAME = 0.35
"""Boxes that overlap by more (intersection over union) are one face."""

_SMALLEST = 30
"""Default smallest side in pixels of the shrunk picture: below it false faces begin."""
_STAGE_THRESHOLD = re.compile(rb"<stageThreshold>([^<]+)</stageThreshold>")


def search_coarse_to_fine(
    cascade: cv2.CascadeClassifier, grey: Array, smallest: int, step: float, neighbors: int
) -> tuple[Array, Array]:
    """Faces in a picture.

    Args:
        cascade: loaded.
        grey: (H, W) uint8.
        smallest: side of the smallest face in pixels, 1 or more.
        step: between two sizes of the window, above 1.
        neighbors: windows that must agree in a dense search.

    Returns:
        xywh: (n, 4) int32, (0, 4) without a face.
        weights: (n,) float64, by how much the last stage was passed.
    """
    candidates = _candidates(cascade, grey, smallest, 1 + (step - 1) * 4 / 3)
    # A part of the picture has fewer windows beside a face than the whole, by one of five.
    neighbors = max(neighbors - 1, min(neighbors, 1))
    found = [_look_closely(cascade, grey, one, smallest, step, neighbors) for one in candidates]
    boxes = np.concatenate([np.empty((0, 4), np.int32), *(boxes for boxes, _ in found)])
    weights = np.concatenate([np.empty(0), *(weights for _, weights in found)])
    # Two candidates may lead to one face; the surest of its boxes stays.
    above = weights - weights.min(initial=0) + 1
    kept = list(cv2.dnn.NMSBoxes(boxes.tolist(), above.tolist(), 0, _SAME))
    return boxes[kept], weights[kept]


def _candidates(
    cascade: cv2.CascadeClassifier, grey: Array, smallest: int, step: float
) -> list[tuple[int, int, int, int]]:
    """Windows that answer, xywh in pixels; alike ones are one."""
    side = cascade.getOriginalWindowSize()[0]
    smallest = max(smallest, side)
    factor = 2 ** int(np.log2(smallest / side))
    found: list[tuple[int, int, int, int]] = []
    least = round(smallest / factor)
    while min(grey.shape) // factor >= least:
        size = grey.shape[1] // factor, grey.shape[0] // factor
        halved = grey if factor == 1 else cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR)
        windows = cascade.detectMultiScale(
            halved, step, 0, minSize=(least, least), maxSize=(2 * side - 1, 2 * side - 1)
        )
        found += [_scaled(window, factor) for window in windows]
        factor, least = 2 * factor, side
    # Groups of one are dropped, so that everything is there twice.
    if not found:
        return []
    return [_scaled(window, 1) for window in cv2.groupRectangles(found + found, 1, _ALIKE)[0]]


def _scaled(window: Sequence[int], factor: int) -> tuple[int, int, int, int]:
    left, top, width, height = (int(value) * factor for value in window)
    return left, top, width, height


def _look_closely(
    cascade: cv2.CascadeClassifier,
    grey: Array,
    candidate: tuple[int, int, int, int],
    smallest: int,
    step: float,
    neighbors: int,
) -> tuple[Array, Array]:
    """Faces near a candidate and about as large."""
    left, top, side, _ = (int(value) for value in candidate)
    room = round(_ROOM * side)
    x, y = max(left - room, 0), max(top - room, 0)
    part = np.ascontiguousarray(grey[y : top + side + room, x : left + side + room])
    least, most = max(smallest, round(side / _SIZES)), round(side * _SIZES)
    windows, _, weights = cascade.detectMultiScale3(
        part, step, neighbors, minSize=(least, least), maxSize=(most, most), outputRejectLevels=True
    )
    boxes = np.reshape(windows, (-1, 4)).astype(np.int32) + np.array([x, y, 0, 0], np.int32)
    return boxes, np.reshape(weights, -1).astype(np.float64)


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

    def __post_init__(self) -> None:
        """Raises InputError for a value that finds nothing, or that OpenCV refuses."""
        check_range("haar", "scale_factor", self.scale_factor, 1.01, 4.0)
        check_range("haar", "min_neighbors", self.min_neighbors, 0)
        check_range("haar", "min_size", 1 if self.min_size is None else self.min_size, 1)
        check_range("haar", "longest_side", self.longest_side, 1)


class HaarDetector:
    """Finds frontal faces with a cascade that is read once, here."""

    name = "haar"

    def __init__(self, cascade: Path, options: HaarOptions | None = None) -> None:
        """Raises CheckpointError when `cascade` is not a cascade that OpenCV reads."""
        self.options: HaarOptions = options or HaarOptions()
        self._cascade, self._threshold = load_cascade(cascade)

    def detect(self, frame_rgb: Array) -> Detections:
        """Finds every face of a (H, W, 3) uint8 RGB picture.

        Scores say by how much the cascade's last stage was passed, squashed: they rank faces and are no
        probabilities. Landmarks are not known.
        """
        height, width = frame_rgb.shape[:2]
        grey, scale = self._shrunk_grey(frame_rgb)
        options = self.options
        boxes, weights = search_coarse_to_fine(
            self._cascade, grey, self._smallest(scale), options.scale_factor, options.min_neighbors
        )
        xyxy = boxes_from_xywh(boxes / scale, (width, height))
        return Detections(*from_left_to_right(xyxy, squash(weights - self._threshold)))

    def _shrunk_grey(self, frame_rgb: Array) -> tuple[Array, float]:
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


def squash(excess: Array) -> Array:
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


def _build(options: HaarOptions) -> HaarDetector:
    return HaarDetector(find_cascade(), options)


DETECTOR = DetectorEntry(
    _build,
    Terms(
        "Intel License Agreement, in the head of each file in xml/",
        COMMERCIAL,
        (Source("OpenCV's cascades", "https://github.com/opencv/opencv", "Intel License Agreement"),),
    ),
    HaarOptions,
    chip_crop=(-0.015, 0.087),
)
