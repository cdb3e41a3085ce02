"""The cells in which the network of `detect.cnn` looks for faces, and what its numbers mean. NumPy only."""

from functools import lru_cache

import numpy as np

from facecli.core.arrays import Array

STRIDES = (8, 16, 32, 64)
"""Pixels between the cells of each level, the finest first."""
BOX_VALUES, LANDMARKS = 4, 5
LANDMARK_VALUES = 2 * LANDMARKS
OUTPUTS = {"score": 1, "box": BOX_VALUES, "landmarks": LANDMARK_VALUES}
"""Output of the network -> values a cell. The score is a logit; the others lie in (-1, 1)."""
MIRRORED_LANDMARKS = (1, 0, 2, 4, 3)
"""Of the eyes, the nose and the corners of the mouth, left to right as a viewer sees them."""
BOX_SPAN, LANDMARK_SPAN = 2.5, 5.0
"""What -1 and 1 of the network mean: logarithms of distances, and distances, both in strides. Bounded outputs
keep their precision as 8-bit integers."""


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
    return values.reshape(-1, LANDMARKS, 2) * (LANDMARK_SPAN * strides[:, None, None]) + centres[:, None]
