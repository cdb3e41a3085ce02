"""Boxes of every detector in one form: xyxy, clipped to the frame."""

import numpy as np


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
