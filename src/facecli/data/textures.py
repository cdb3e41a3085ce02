"""Pictures drawn by code in which a face detector may see what is not there: curtains, blobs, writing."""

from collections.abc import Callable

import cv2
import numpy as np

Draw = Callable[[np.random.Generator, int], np.ndarray]


def draw_texture(random: np.random.Generator, side: int) -> np.ndarray:
    """(side, side, 3) uint8 RGB of a random kind, with a little sensor noise."""
    image = KINDS[random.choice(list(KINDS))](random, side)
    noisy = image + random.normal(0, random.uniform(0, 8), image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _two_colours(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mostly pale: rooms are not painted in pure colours."""
    colours = random.uniform(0, 255, (2, 3))
    grey = colours.mean(axis=1, keepdims=True)
    first, second = grey + (colours - grey) * random.uniform(0, 1) ** 2
    return first, second


def _mixed(random: np.random.Generator, share: np.ndarray) -> np.ndarray:
    """(side, side) shares in [0, 1] between two random colours."""
    first, second = _two_colours(random)
    return first + np.clip(share, 0, 1)[:, :, None] * (second - first)


def curtain(random: np.random.Generator, side: int) -> np.ndarray:
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


def gradient(random: np.random.Generator, side: int) -> np.ndarray:
    y, x = np.mgrid[0:side, 0:side] / side
    return _mixed(random, random.uniform(-1, 1) * x + random.uniform(-1, 1) * y + random.uniform(0, 1))


def blobs(random: np.random.Generator, side: int) -> np.ndarray:
    """Soft spots of some sizes, as of leaves or clouds."""
    cells = int(random.integers(3, 14))
    coarse = random.uniform(0, 1, (cells, cells)).astype(np.float32)
    return _mixed(random, cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))


def checker(random: np.random.Generator, side: int) -> np.ndarray:
    """Tiles, bricks, windows."""
    y, x = np.mgrid[0:side, 0:side]
    wide, high = random.integers(4, side // 2 + 5, 2)
    shifted = x + (y // high % 2) * (wide // 2) * random.integers(0, 2)
    if random.random() < 0.5:
        return _mixed(random, ((shifted // wide + y // high) % 2).astype(float))
    joint = max(1, side // 40)
    return _mixed(random, ((shifted % wide < joint) | (y % high < joint)).astype(float))


def shapes(random: np.random.Generator, side: int) -> np.ndarray:
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


def writing(random: np.random.Generator, side: int) -> np.ndarray:
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
