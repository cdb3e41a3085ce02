"""Crops that show no face, cut from face chips and drawn, as a detector would wrongly hand them over."""

import logging
from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from facecli.crops import crop_face
from facecli.data.textures import draw_texture

log = logging.getLogger(__name__)

FACE_BOX = (0.25, 0.2, 0.75, 0.85)
"""Where the face lies in a UTKFace chip, as fractions of its sides: x_min, y_min, x_max, y_max."""
MOST_FACE = 0.25
"""A window may hold that share of the face's area, and no more."""
SHARES = {"mined": 0.4, "window": 0.35, "drawn": 0.25}
"""Kinds of crops: what a loose cascade takes for a face, other parts of a chip, textures."""
_TRIES = 20

Boxes = Callable[[np.ndarray], np.ndarray]
"""(H, W, 3) uint8 RGB -> (n, 4) int32 boxes of a loosely set detector."""


def iter_negatives(chips: Iterable[np.ndarray], boxes: Boxes, side: int, seed: int) -> Iterator[np.ndarray]:
    """Yields crops without a face, at most one mined and one other from each chip.

    Args:
        chips: (H, W, 3) uint8 RGB with a face in the middle, as UTKFace's.
        boxes: a detector that sees faces where there are none.
        side: of the crops in pixels.
        seed: of the choice of kinds and windows.

    Yields:
        (side, side, 3) uint8 RGB.
    """
    random = np.random.default_rng(seed)
    for chip in chips:
        if (box := _mined(chip, boxes(chip), random)) is not None:
            yield crop_face(chip, box.tolist(), random.uniform(-0.05, 0.1), (side, side))
        kind = random.random() * (SHARES["window"] + SHARES["drawn"])
        if kind < SHARES["drawn"]:
            yield draw_texture(random, side)
        elif (box := _window(chip, random)) is not None:
            yield crop_face(chip, box.tolist(), 0.0, (side, side))


def face_share(box: np.ndarray, width: int, height: int) -> float:
    """Share of the face's area that a box covers. A small box within the face shows but a cheek."""
    face = np.array(FACE_BOX) * (width, height, width, height)
    low, high = np.maximum(box[:2], face[:2]), np.minimum(box[2:], face[2:])
    common = float(np.prod(np.maximum(high - low, 0)))
    return common / float(np.prod(face[2:] - face[:2]))


def _mined(chip: np.ndarray, found: np.ndarray, random: np.random.Generator) -> np.ndarray | None:
    height, width = chip.shape[:2]
    false = [box for box in np.asarray(found) if face_share(box, width, height) <= MOST_FACE]
    return false[random.integers(len(false))] if false else None


def _window(chip: np.ndarray, random: np.random.Generator) -> np.ndarray | None:
    """A square that may reach over the chip's border by half, None when the tries are used up."""
    height, width = chip.shape[:2]
    for _ in range(_TRIES):
        side = random.uniform(0.15, 0.9) * min(width, height)
        x, y = random.uniform(-side / 2, (width - side / 2, height - side / 2))
        box = np.array([x, y, x + side, y + side])
        if face_share(box, width, height) <= MOST_FACE:
            return box
    return None


def loose_cascade(path: str) -> Boxes:
    """Boxes of a Haar cascade without the vote of neighbours: mostly wrong ones."""
    cascade = cv2.CascadeClassifier(path)

    def boxes(image_rgb: np.ndarray) -> np.ndarray:
        grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
        found = cascade.detectMultiScale(grey, scaleFactor=1.05, minNeighbors=0, minSize=(24, 24))
        xywh = np.reshape(found, (-1, 4)).astype(np.int32)
        return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)

    return boxes
