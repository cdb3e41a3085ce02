"""Larger pictures with one known face: a chip pasted into surroundings drawn by code."""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

SCENE_WIDTH, SCENE_HEIGHT = 480, 360
_BLUR_SIGMA = 12.0


class Scene(NamedTuple):
    """(360, 480, 3) uint8 RGB, and where in it the chip lies, xyxy in pixels."""

    image_rgb: np.ndarray
    chip_xyxy: tuple[int, int, int, int]


def plain(chip: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One colour."""
    return np.full((SCENE_HEIGHT, SCENE_WIDTH, 3), random.integers(30, 226, 3), np.uint8)


def gradient(chip: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """From one colour on the left to another on the right."""
    left, right = random.integers(30, 226, (2, 1, 3))
    share = np.linspace(0, 1, SCENE_WIDTH)[:, None]
    line = (left + share * (right - left)).round().astype(np.uint8)
    return np.repeat(line[None], SCENE_HEIGHT, axis=0)


def blurred(chip: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The chip itself, spread over the whole picture and blurred until no face is left."""
    spread = cv2.resize(chip, (SCENE_WIDTH, SCENE_HEIGHT), interpolation=cv2.INTER_LINEAR)
    return cv2.GaussianBlur(spread, (0, 0), _BLUR_SIGMA)


SURROUNDINGS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "plain": plain,
    "gradient": gradient,
    "blurred": blurred,
}


def build_scene(chip: np.ndarray, surrounding: str, random: np.random.Generator) -> Scene:
    """Pastes a chip as it is at a random place.

    Args:
        chip: (H, W, 3) uint8 RGB, no larger than the scene.
        surrounding: one of SURROUNDINGS.
        random: the source of all chance.
    """
    canvas = SURROUNDINGS[surrounding](chip, random)
    height, width = chip.shape[:2]
    left = int(random.integers(0, SCENE_WIDTH - width + 1))
    top = int(random.integers(0, SCENE_HEIGHT - height + 1))
    canvas[top : top + height, left : left + width] = chip
    return Scene(canvas, (left, top, left + width, top + height))


def overlap(one_xyxy: tuple[int, ...], other_xyxy: tuple[int, ...]) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    low, high = np.maximum(one_xyxy[:2], other_xyxy[:2]), np.minimum(one_xyxy[2:], other_xyxy[2:])
    common = float(np.prod(np.maximum(high - low, 0)))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one_xyxy, other_xyxy)]
    return common / (sum(areas) - common)
