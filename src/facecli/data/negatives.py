"""Crops that show no face, cut from face chips or drawn by code, as an erring detector hands them over."""

import logging
from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from facecli.core.arrays import Array
from facecli.core.crops import crop_face

Draw = Callable[[np.random.Generator, int], Array]

log: logging.Logger = logging.getLogger(__name__)

FACE_BOX = (0.25, 0.2, 0.75, 0.85)
"""Where the face lies in a UTKFace chip, as fractions of its sides: x_min, y_min, x_max, y_max."""
MOST_FACE = 0.25
"""A window may hold that share of the face's area, and no more."""
SHARES = {"mined": 0.4, "window": 0.35, "drawn": 0.25}
"""Kinds of crops: what a loose cascade takes for a face, other parts of a chip, textures."""
_TRIES = 20

Boxes = Callable[[Array], Array]
"""(H, W, 3) uint8 RGB -> (n, 4) int32 boxes of a loosely set detector."""


def draw_texture(random: np.random.Generator, side: int) -> Array:
    """(side, side, 3) uint8 RGB of a random kind, with a little sensor noise."""
    image = KINDS[random.choice(list(KINDS))](random, side)
    noisy = image + random.normal(0, random.uniform(0, 8), image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _two_colours(random: np.random.Generator) -> tuple[Array, Array]:
    """Mostly pale: rooms are not painted in pure colours."""
    colours = random.uniform(0, 255, (2, 3))
    grey = colours.mean(axis=1, keepdims=True)
    first, second = grey + (colours - grey) * random.uniform(0, 1) ** 2
    return first, second


def _mixed(random: np.random.Generator, share: Array) -> Array:
    """(side, side) shares in [0, 1] between two random colours."""
    first, second = _two_colours(random)
    return first + np.clip(share, 0, 1)[:, :, None] * (second - first)


def curtain(random: np.random.Generator, side: int) -> Array:
    """Folds: sine waves that bend a little, at any angle."""
    y, x = np.mgrid[0:side, 0:side] / side
    angle = random.normal(0, 0.3) + random.choice([0, np.pi / 2])
    across = x * np.cos(angle) + y * np.sin(angle)
    along = y * np.cos(angle) - x * np.sin(angle)
    wave = sum(
        np.sin(
            2 * np.pi * (random.uniform(1, 10) * across + random.normal(0, 0.3) * along**2)
            + random.uniform(0, 6)
        )
        for _ in range(3)
    )
    return _mixed(random, 0.5 + wave / 5 + random.normal(0, 0.2) * (y - 0.5))


def gradient(random: np.random.Generator, side: int) -> Array:
    y, x = np.mgrid[0:side, 0:side] / side
    return _mixed(random, random.uniform(-1, 1) * x + random.uniform(-1, 1) * y + random.uniform(0, 1))


def blobs(random: np.random.Generator, side: int) -> Array:
    """Soft spots of some sizes, as of leaves or clouds."""
    cells = int(random.integers(3, 14))
    coarse = random.uniform(0, 1, (cells, cells)).astype(np.float32)
    return _mixed(random, cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))


def checker(random: np.random.Generator, side: int) -> Array:
    """Tiles, bricks, windows."""
    y, x = np.mgrid[0:side, 0:side]
    wide, high = random.integers(4, side // 2 + 5, 2)
    shifted = x + (y // high % 2) * (wide // 2) * random.integers(0, 2)
    if random.random() < 0.5:
        return _mixed(random, ((shifted // wide + y // high) % 2).astype(float))
    joint = max(1, side // 40)
    return _mixed(random, ((shifted % wide < joint) | (y % high < joint)).astype(float))


def shapes(random: np.random.Generator, side: int) -> Array:
    """Discs, boxes and lines on a plain ground."""
    image = np.full((side, side, 3), random.uniform(0, 255, 3), np.float32)
    for _ in range(int(random.integers(2, 12))):
        colour, (a, b) = random.uniform(0, 255, 3).tolist(), random.integers(0, side, (2, 2)).tolist()
        thickness = int(random.integers(1, 6))
        match random.integers(0, 3):
            case 0:
                cv2.circle(
                    image, a, int(random.integers(2, side // 3 + 3)), colour, random.choice([-1, thickness])
                )
            case 1:
                cv2.rectangle(image, a, b, colour, random.choice([-1, thickness]))
            case _:
                cv2.line(image, a, b, colour, thickness)
    return image


def writing(random: np.random.Generator, side: int) -> Array:
    """Lines of letters."""
    ground, ink = _two_colours(random)
    image = np.full((side, side, 3), ground, np.float32)
    scale = random.uniform(0.3, 1.5)
    for y in range(int(20 * scale), side + 1, max(8, int(30 * scale))):
        letters = "".join(chr(code) for code in random.integers(33, 123, 40))
        cv2.putText(
            image, letters, (int(-20 * random.random()), y), cv2.FONT_HERSHEY_DUPLEX, scale, ink.tolist(), 1
        )
    return image


KINDS: dict[str, Draw] = {
    "curtain": curtain,
    "gradient": gradient,
    "blobs": blobs,
    "checker": checker,
    "shapes": shapes,
    "writing": writing,
}


def iter_negatives(chips: Iterable[Array], boxes: Boxes, side: int, seed: int) -> Iterator[Array]:
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


def face_share(box: Array, width: int, height: int) -> float:
    """Share of the face's area that a box covers. A small box within the face shows but a cheek."""
    face = np.array(FACE_BOX) * (width, height, width, height)
    low, high = np.maximum(box[:2], face[:2]), np.minimum(box[2:], face[2:])
    common = float(np.prod(np.maximum(high - low, 0)))
    return common / float(np.prod(face[2:] - face[:2]))


def _mined(chip: Array, found: Array, random: np.random.Generator) -> Array | None:
    height, width = chip.shape[:2]
    false = [box for box in np.asarray(found) if face_share(box, width, height) <= MOST_FACE]
    return false[random.integers(len(false))] if false else None


def _window(chip: Array, random: np.random.Generator) -> Array | None:
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

    def boxes(image_rgb: Array) -> Array:
        grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
        found = cascade.detectMultiScale(grey, scaleFactor=1.05, minNeighbors=0, minSize=(24, 24))
        xywh = np.reshape(found, (-1, 4)).astype(np.int32)
        return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)

    return boxes
