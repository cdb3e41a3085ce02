"""A cascade over a whole picture, coarsely first: a third of the time, the same faces.

OpenCV moves the window by two pixels of the scaled picture while the window is less than twice its own
size, and by one pixel when it is larger (`CascadeClassifierInvoker`): three quarters of a search go
into large windows, which see a face a dozen times over. Here every octave is searched in a picture
that was halved, so always in steps of two pixels, and only what answers is looked at closely.
Measured in benchmarks/haar_search.md.
"""

from collections.abc import Sequence

import cv2
import numpy as np

_ROOM, _SIZES = 0.4, 1.5
"""What is looked at around a candidate, in its sides, and how much larger or smaller faces may be."""
_ALIKE = 0.5
"""Candidates that differ by less (`cv2.groupRectangles`) are looked at once."""
_SAME = 0.35
"""Boxes that overlap by more (intersection over union) are one face."""


def search(
    cascade: cv2.CascadeClassifier, grey: np.ndarray, smallest: int, step: float, neighbors: int
) -> tuple[np.ndarray, np.ndarray]:
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
    cascade: cv2.CascadeClassifier, grey: np.ndarray, smallest: int, step: float
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
    grey: np.ndarray,
    candidate: tuple[int, int, int, int],
    smallest: int,
    step: float,
    neighbors: int,
) -> tuple[np.ndarray, np.ndarray]:
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
