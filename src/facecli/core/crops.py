"""Boxes as xyxy, and the one function that cuts a face out of a picture, in training and at run time."""

from collections.abc import Sequence

import cv2
import numpy as np

WHOLE_CHIP_MARGIN = 0.0
Box = Sequence[float] | np.ndarray
"""Four numbers, x_min, y_min, x_max, y_max, or an array (4,) of them."""


def tighter_crop(crop: tuple[float, float], chip_margin: float) -> tuple[float, float]:
    """(margin, shift_y) for a network that sees chips with a further margin.

    `chip_margin` is a fraction of the chip's side, negative for its central part.
    """
    margin, shift_y = crop
    return ((1 + 2 * margin) * (1 + 2 * chip_margin) - 1) / 2, shift_y


def crop_face(
    image_rgb: np.ndarray,
    xyxy: Box,
    margin: float,
    image_size: tuple[int, int],
    shift_y: float = 0.0,
) -> np.ndarray:
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
    left, top, side = _square(xyxy, margin, shift_y)
    height, width = image_size
    shrinking = side > min(height, width)
    interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return cv2.resize(_cut(image_rgb, left, top, side), (width, height), interpolation=interpolation)


def _square(xyxy: Box, margin: float, shift_y: float) -> tuple[int, int, int]:
    x_min, y_min, x_max, y_max = (float(value) for value in xyxy)
    box_side = max(x_max - x_min, y_max - y_min)
    side = round(box_side * (1 + 2 * margin))
    if x_max <= x_min or y_max <= y_min or side < 1:
        raise ValueError(f"nothing to cut: box {tuple(xyxy)}, margin {margin}")
    centre_x = (x_min + x_max) / 2
    centre_y = (y_min + y_max) / 2 + shift_y * box_side
    return round(centre_x - side / 2), round(centre_y - side / 2), side


def _cut(image: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    height, width = image.shape[:2]
    inside = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    if inside.shape[:2] == (side, side):
        return inside
    if inside.size == 0:
        raise ValueError("the square lies outside the picture")
    above, before = max(-top, 0), max(-left, 0)
    below, after = max(top + side - height, 0), max(left + side - width, 0)
    return cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_REPLICATE)


def boxes_from_xywh(xywh: np.ndarray, resolution_wh: tuple[int, int]) -> np.ndarray:
    """OpenCV's boxes as clipped corners.

    Args:
        xywh: (n, 4) left, top, width, height in pixels.
        resolution_wh: width and height of the frame.

    Returns:
        (n, 4) int32 xyxy, right and bottom exclusive, each at least one pixel wide and high.
    """
    xywh = np.asarray(xywh, np.float64).reshape(-1, 4)
    return clip_boxes(np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1), resolution_wh)


def clip_boxes(xyxy: np.ndarray, resolution_wh: tuple[int, int]) -> np.ndarray:
    """Corners (n, 4) of any numbers as (n, 4) int32, inside the frame and not empty."""
    width, height = resolution_wh
    xyxy = np.rint(np.asarray(xyxy, np.float64).reshape(-1, 4))
    xyxy[:, :2] = np.clip(xyxy[:, :2], 0, (width - 1, height - 1))
    xyxy[:, 2:] = np.clip(xyxy[:, 2:], xyxy[:, :2] + 1, (width, height))
    return xyxy.astype(np.int32)


def from_left_to_right(xyxy: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and their scores by left edge, then top: an order that a reader can follow."""
    order = np.lexsort((xyxy[:, 1], xyxy[:, 0]))
    return xyxy[order], scores[order]
