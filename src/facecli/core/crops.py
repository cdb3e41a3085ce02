"""Boxes as xyxy, the one way to cut a face out of a picture, and what the networks that find faces say.

The detector's network looks at cells of the picture, `training` and `detect.cnn` read its numbers by the
same functions; so they do with those of the network that looks at close-ups.
"""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from facecli.core.arrays import Array

WHOLE_CHIP_MARGIN = 0.0
CHIP_LANDMARKS = np.array(
    [(0.289, 0.290), (0.680, 0.287), (0.475, 0.524), (0.320, 0.687), (0.654, 0.682)], np.float64
)
"""Eyes, nose and corners of the mouth in UTKFace's chips, the viewer's left first, in fractions of the side:
medians of 250 chips."""
CLOSEUP_SIDE = 64
"""Pixels of a close-up, a square."""
CLOSEUP_MARGIN = 0.2
"""By which it is larger than a chip on every side, in sides of the chip."""
CLOSEUP_OUTPUTS = {"landmarks": 10, "error": 1, "face": 1}
"""Output -> values: x and y of five landmarks from the close-up's middle, in halves of its side; the
logarithm of how far off they are to be, in sides of the close-up; the logit of a face."""
CLOSEUP_LANDMARKS = ((CHIP_LANDMARKS - 0.5) / (1 + 2 * CLOSEUP_MARGIN) + 0.5) * CLOSEUP_SIDE
"""(5, 2) where landmarks lie in an upright close-up, pixels."""
_PER_EYES = CLOSEUP_SIDE / float(np.linalg.norm(CLOSEUP_LANDMARKS[1] - CLOSEUP_LANDMARKS[0]))
STRIDES = (8, 16, 32, 64)
"""Pixels between the cells of each level, the finest first."""
BOX_VALUES, LANDMARK_VALUES = 4, 10
"""Of a cell: distances to the four sides of a box; x and y of five landmarks."""
CELL_OUTPUTS = {"score": 1, "box": BOX_VALUES, "landmarks": LANDMARK_VALUES}
"""Output of the detector's network -> values a cell. The score is a logit; the others lie in (-1, 1)."""
MIRRORED_LANDMARKS = (1, 0, 2, 4, 3)
"""Of the eyes, the nose and the corners of the mouth, left to right as a viewer sees them."""
BOX_SPAN, LANDMARK_SPAN = 2.5, 5.0
"""What -1 and 1 of the network mean: logarithms of distances, and distances, both in strides. Bounded outputs
keep their precision as 8-bit integers."""
_LARGEST_SHRINK = 2
_CHIP_SIDES, _CHIP_OFF = (0.6, 2.5), 0.6
"""Sides that a chip may have, and how far its centre may lie from the box's, in sides of the box. Landmarks
that say otherwise are none."""
Box = Sequence[float] | Array
"""Four numbers, x_min, y_min, x_max, y_max, or an array (4,) of them."""


def tighter_crop(crop: tuple[float, float], chip_margin: float) -> tuple[float, float]:
    """(margin, shift_y) for a network that sees chips with a further margin.

    `chip_margin` is a fraction of the chip's side, negative for its central part.
    """
    margin, shift_y = crop
    return ((1 + 2 * margin) * (1 + 2 * chip_margin) - 1) / 2, shift_y


def crop_face(
    image_rgb: Array,
    xyxy: Box,
    margin: float,
    image_size: tuple[int, int],
    shift_y: float = 0.0,
) -> Array:
    """Cuts the square around a box and resizes it.

    The square's side is the longer side of the box; it is moved down by `shift_y` sides
    and grown by `margin` sides in every direction. What lies outside the picture repeats
    the nearest edge pixel, so a face at the border keeps its proportions.

    Args:
        image_rgb: (H, W, 3) uint8.
        xyxy: x_min, y_min, x_max, y_max in pixels, right and bottom exclusive.
        margin: fraction of the square's side; may be negative (a tighter cut), above -0.5.
        image_size: (height, width) of the result in pixels.
        shift_y: fraction of the square's side; positive is down.

    Returns:
        (height, width, 3) uint8, in the colour order of the input.

    Raises:
        ValueError: the box is empty or the margin leaves nothing.
    """
    left, top, side = chip_square(xyxy, margin, shift_y)
    height, width = image_size
    shrinking = side > min(height, width)
    interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return cv2.resize(_cut(image_rgb, left, top, side), (width, height), interpolation=interpolation)


def fit_similarity(points: Array, others: Array) -> Array | None:
    """The turned, scaled and moved copy of points (n, 2) that lies nearest to others (n, 2).

    Least squares in closed form, without mirroring (Umeyama 1991).

    Returns:
        (2, 3) float64, the affine map from `points`; None when they all coincide.
    """
    ones, goals = (np.asarray(one, np.float64) @ (1, 1j) for one in (points, others))
    ones, middle = ones - ones.mean(), ones.mean()
    size = float((ones * ones.conj()).real.sum())
    if not np.isfinite(size) or size <= 1e-9:
        return None
    turn = complex((ones.conj() * (goals - goals.mean())).sum() / size)
    shift = complex(goals.mean()) - turn * complex(middle)
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def fit_chip(
    landmarks: Array, xyxy: Box, image_size: tuple[int, int], margin: float = WHOLE_CHIP_MARGIN
) -> Array | None:
    """The map (2, 3) that lays a face upright, as faces lie in the chips that models learn from.

    Args:
        landmarks: (5, 2) pixels: eyes, nose, corners of the mouth, the viewer's left first.
        xyxy: the face's box; landmarks that do not fit it are not believed.
        image_size: (height, width) of the upright picture in pixels.
        margin: by which it is larger than a chip, a fraction of the chip's side; above -0.5.

    Returns:
        None when the landmarks cannot be those of a face in that box.
    """
    goals = ((CHIP_LANDMARKS - 0.5) / (1 + 2 * margin) + 0.5) * image_size[::-1]
    matrix = fit_similarity(landmarks, goals)
    if matrix is None:
        return None
    x_min, y_min, x_max, y_max = (float(value) for value in xyxy)
    side = max(x_max - x_min, y_max - y_min, 1e-6)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    chip_side = max(image_size) / (1 + 2 * margin) / max(scale, 1e-9)
    middle = np.linalg.solve(matrix[:, :2], np.array(image_size[::-1]) / 2 - matrix[:, 2])
    off = np.abs(middle - ((x_min + x_max) / 2, (y_min + y_max) / 2)).max()
    believed = _CHIP_SIDES[0] <= chip_side / side <= _CHIP_SIDES[1] and off <= _CHIP_OFF * side
    return matrix if believed else None


def warp(
    image: Array,
    matrix: Array,
    image_size: tuple[int, int],
    border: int = cv2.BORDER_REPLICATE,
    colour: tuple[int, ...] = (0, 0, 0),
) -> Array:
    """What an affine map (2, 3) takes to a picture of (height, width); averaged first where it shrinks much.

    Args:
        image: (H, W, 3) uint8.
        matrix: from pixels of `image` to pixels of the result; (0, 0) is a corner of the first pixel.
        image_size: (height, width) of the result.
        border: OpenCV's way of filling what lies outside, the nearest edge pixel by default.
        colour: for BORDER_CONSTANT.

    Returns:
        (height, width, 3) uint8.
    """
    height, width = image_size
    shrink = int(1 / max(float(np.hypot(matrix[0, 0], matrix[1, 0])), 1e-3))
    if shrink >= _LARGEST_SHRINK:
        image, matrix = _averaged(*_needed(image, matrix, image_size), shrink)
    # OpenCV counts from the middle of a pixel.
    shift = matrix[:, 2] + matrix[:, :2] @ (0.5, 0.5) - 0.5
    matrix = np.concatenate([matrix[:, :2], shift[:, None]], axis=1)
    return cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=colour
    )


def _needed(image: Array, matrix: Array, image_size: tuple[int, int]) -> tuple[Array, Array]:
    """The part of a picture that a map (2, 3) takes to the result, and the map from it."""
    height, width = image_size
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height)]) - matrix[:, 2]
    seen = np.linalg.solve(matrix[:, :2], corners.T).T
    room = 2 / max(float(np.hypot(matrix[0, 0], matrix[1, 0])), 1e-3)
    size = np.array(image.shape[1::-1])
    # At least a pixel stays, of which the edge is repeated.
    low = np.clip(np.floor(seen.min(axis=0) - room), 0, size - 1).astype(int)
    high = np.clip(np.ceil(seen.max(axis=0) + room), low + 1, size).astype(int)
    shift = matrix[:, 2] + matrix[:, :2] @ low
    part = image[low[1] : high[1], low[0] : high[0]]
    return part, np.concatenate([matrix[:, :2], shift[:, None]], axis=1)


def _averaged(image: Array, matrix: Array, shrink: int) -> tuple[Array, Array]:
    """A picture of fewer pixels and the map from it: a bilinear map to far fewer would skip most of them."""
    height, width = image.shape[:2]
    size = max(width // shrink, 1), max(height // shrink, 1)
    steps = np.array([width / size[0], height / size[1]])
    reduced = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return reduced, np.concatenate([matrix[:, :2] * steps, matrix[:, 2:]], axis=1)


def chip_square(xyxy: Box, margin: float, shift_y: float) -> tuple[int, int, int]:
    """Left, top and side in pixels of the square that `crop_face` cuts. Raises ValueError as it does."""
    x_min, y_min, x_max, y_max = (float(value) for value in xyxy)
    box_side = max(x_max - x_min, y_max - y_min)
    side = round(box_side * (1 + 2 * margin))
    if x_max <= x_min or y_max <= y_min or side < 1:
        raise ValueError(f"nothing to crop: box {tuple(xyxy)}, margin {margin}")
    centre_x = (x_min + x_max) / 2
    centre_y = (y_min + y_max) / 2 + shift_y * box_side
    return round(centre_x - side / 2), round(centre_y - side / 2), side


def _cut(image: Array, left: int, top: int, side: int) -> Array:
    height, width = image.shape[:2]
    inside = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    if inside.shape[:2] == (side, side):
        return inside
    if inside.size == 0:
        raise ValueError("the square lies outside the picture")
    above, before = max(-top, 0), max(-left, 0)
    below, after = max(top + side - height, 0), max(left + side - width, 0)
    return cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_REPLICATE)


def boxes_from_xywh(xywh: Array, resolution_wh: tuple[int, int]) -> Array:
    """OpenCV's boxes as clipped corners.

    Args:
        xywh: (n, 4) left, top, width, height in pixels.
        resolution_wh: width and height of the frame.

    Returns:
        (n, 4) int32 xyxy, right and bottom exclusive, each at least one pixel wide and high.
    """
    xywh = np.asarray(xywh, np.float64).reshape(-1, 4)
    return clip_boxes(np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1), resolution_wh)


def clip_boxes(xyxy: Array, resolution_wh: tuple[int, int]) -> Array:
    """Corners (n, 4) of any numbers as (n, 4) int32, inside the frame and not empty."""
    width, height = resolution_wh
    xyxy = np.rint(np.asarray(xyxy, np.float64).reshape(-1, 4))
    xyxy[:, :2] = np.clip(xyxy[:, :2], 0, (width - 1, height - 1))
    xyxy[:, 2:] = np.clip(xyxy[:, 2:], xyxy[:, :2] + 1, (width, height))
    return xyxy.astype(np.int32)


def from_left_to_right(xyxy: Array, scores: Array) -> tuple[Array, Array]:
    """Boxes and their scores by left edge, then top: an order that a reader can follow."""
    order = order_from_left_to_right(xyxy)
    return xyxy[order], scores[order]


def order_from_left_to_right(xyxy: Array) -> Array:
    """Positions of the boxes (n, 4) by left edge, then top."""
    return np.lexsort((xyxy[:, 1], xyxy[:, 0]))


def overlaps(ones: Array, others: Array) -> Array:
    """Intersection over union of each pair, (n, m) in [0, 1], of (n, 4) and (m, 4) xyxy."""
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    united = box_areas(ones)[:, None] + box_areas(others)[None] - common
    return common / np.maximum(united, 1e-9)


def box_areas(xyxy: Array) -> Array:
    """Areas (n,) of boxes (n, 4); those of no size are 0."""
    return np.prod(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0), axis=-1)


def closeup_of_box(xyxy: Box, margin: float, shift_y: float) -> Array:
    """The map (2, 3) to the close-up of a box that is cut with this margin and shift as a chip is."""
    left, top, side = chip_square(xyxy, margin, shift_y)
    scale = CLOSEUP_SIDE / (side * (1 + 2 * CLOSEUP_MARGIN))
    middle = np.array([left + side / 2, top + side / 2])
    return np.concatenate([np.eye(2) * scale, (CLOSEUP_SIDE / 2 - scale * middle)[:, None]], axis=1)


def upright_closeup(landmarks: Array) -> Array | None:
    """The map (2, 3) to the upright close-up of landmarks (5, 2); None when they all coincide."""
    return fit_similarity(landmarks, CLOSEUP_LANDMARKS)


def decode_points(values: Array) -> Array:
    """(n, 10) of the network -> (n, 5, 2) float32 in pixels of the close-up."""
    return np.asarray(values, np.float32).reshape(-1, 5, 2) * (CLOSEUP_SIDE / 2) + CLOSEUP_SIDE / 2


def encode_points(points: Array) -> Array:
    """The way back."""
    return ((np.asarray(points, np.float32) - CLOSEUP_SIDE / 2) / (CLOSEUP_SIDE / 2)).reshape(-1, 10)


def decode_error(values: Array) -> Array:
    """(n, 1) of the network -> (n,) float32, the expected mean distance in distances between the eyes."""
    return np.exp(np.asarray(values, np.float32).reshape(-1)) * np.float32(_PER_EYES)


@lru_cache(maxsize=32)
def cell_centres(image_size: tuple[int, int]) -> tuple[Array, Array]:
    """Centres (cells, 2) x and y in pixels and strides (cells,), float32, of all levels one after the other.

    `image_size`: (height, width), multiples of the last of STRIDES.
    """
    centres, strides = [], []
    for stride in STRIDES:
        rows, columns = image_size[0] // stride, image_size[1] // stride
        y, x = np.mgrid[:rows, :columns].astype(np.float32)
        centres.append(np.stack([x, y], axis=-1).reshape(-1, 2) * stride + stride / 2)
        strides.append(np.full(rows * columns, stride, np.float32))
    found = np.concatenate(centres), np.concatenate(strides)
    for array in found:
        array.setflags(write=False)
    return found


def encode_boxes(xyxy: Array, centres: Array, strides: Array) -> Array:
    """Boxes (n, 4) as (n, 4) in [-1, 1]: logarithms of the distances to their sides from centres (n, 2)."""
    distances = np.concatenate([centres - xyxy[:, :2], xyxy[:, 2:] - centres], axis=1)
    logarithms = np.log(np.maximum(distances / strides[:, None], np.exp(-BOX_SPAN)))
    return np.minimum(logarithms / BOX_SPAN, 1.0)


def decode_boxes(values: Array, centres: Array, strides: Array) -> Array:
    """The way back: (n, 4) values of cells -> xyxy (n, 4) float32 in pixels."""
    distances = np.exp(values * BOX_SPAN) * strides[:, None]
    return np.concatenate([centres - distances[:, :2], centres + distances[:, 2:]], axis=1)


def encode_landmarks(points: Array, centres: Array, strides: Array) -> Array:
    """Landmarks (n, 5, 2) in pixels as (n, 10) offsets from centres (n, 2); in [-1, 1] but for far ones."""
    offsets = (points - centres[:, None]) / strides[:, None, None] / LANDMARK_SPAN
    return offsets.reshape(len(points), LANDMARK_VALUES)


def decode_landmarks(values: Array, centres: Array, strides: Array) -> Array:
    """The way back: (n, 10) values of cells -> (n, 5, 2) float32 in pixels."""
    return (
        values.reshape(-1, LANDMARK_VALUES // 2, 2) * (LANDMARK_SPAN * strides[:, None, None])
        + centres[:, None]
    )
