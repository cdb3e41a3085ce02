"""Writes a real face to try facecli on: NASA's portrait of Eileen Collins, public domain.

    python benchmarks/real_face.py out/astronaut.png

The picture comes with scikit-image, so that none lies in this repository. Beside it, `turned.png` shows the
same head four times: upright, turned by 40 and by 90 degrees, and upside down.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from facecli.core.images import save_image

ANGLES = (0, 40, 90, 180)
SIDE, CENTRE, ACROSS = 300, (224, 140), 260
"""Pixels of a part of the picture, the middle of the head, and how much of the portrait a part shows."""


def turned_heads(portrait_rgb: np.ndarray) -> np.ndarray:
    """(SIDE, 4 * SIDE, 3) uint8 RGB."""
    parts = []
    for angle in ANGLES:
        matrix = cv2.getRotationMatrix2D(CENTRE, -angle, SIDE / ACROSS)
        matrix[:, 2] += SIDE / 2 - np.array(CENTRE)
        parts.append(cv2.warpAffine(portrait_rgb, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT))
    return np.concatenate(parts, axis=1)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    portrait = data.astronaut()
    save_image(target, portrait)
    save_image(target.with_name("turned.png"), turned_heads(portrait))
    print(target)
