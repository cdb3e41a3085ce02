"""A face that was there a moment ago, searched where it should be: milliseconds, and few hits do."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from facecli.crops import Box
from facecli.vision.cascade import Cascade, Sizes
from facecli.vision.window import Window

_SIDE = 44
"""Pixels of the side that the face should have in the window; a cascade's smallest are 20."""
_SHARE = 1.6
"""Side of the window in sides of the face."""
_SIZES = Sizes(round(_SIDE * 0.78), round(_SIDE * 1.3), 1.15)
_HITS = 1


class Found(NamedTuple):
    """Box (4,) float64 in pixels of the picture, hits, and the index of the cascade that saw it."""

    xyxy: np.ndarray
    hits: float
    cascade: int


def find_around(
    grey: np.ndarray, xyxy: Box, cascades: Sequence[Cascade], order: Sequence[int]
) -> Found | None:
    """What the first cascade finds that finds anything, nearest to the middle.

    Args:
        grey: (H, W) uint8.
        xyxy: where the face should be, and as large.
        cascades: all poses.
        order: indices into `cascades`, the likeliest first.
    """
    window = Window(grey, xyxy, _SHARE, round(_SIDE * _SHARE))
    for index in order:
        boxes, hits = cascades[index].find(window.pixels, _SIZES, _HITS)
        if len(boxes):
            best = _best(window.to_picture(boxes), hits, np.asarray(xyxy, np.float64))
            return Found(window.to_picture(boxes)[best], float(hits[best]), index)
    return None


def _best(boxes: np.ndarray, hits: np.ndarray, expected: np.ndarray) -> int:
    """The box with the most hits, discounted by its distance."""
    side = expected[2] - expected[0]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    apart = np.linalg.norm(centres - (expected[:2] + expected[2:]) / 2, axis=-1) / max(side, 1e-9)
    return int(np.argmax(hits * np.exp(-4 * apart)))
