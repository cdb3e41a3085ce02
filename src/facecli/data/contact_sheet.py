"""Many small pictures on one, to look at."""

import math
from collections.abc import Sequence

import numpy as np


def contact_sheet(images: Sequence[np.ndarray], columns: int = 8, gap: int = 2) -> np.ndarray:
    """Pictures of one size in rows of `columns`, on white.

    Args:
        images: (n, h, w, 3) RGB 0..255 of any dtype, at least one.
        columns: pictures a row.
        gap: white pixels between pictures and around them.

    Returns:
        (rows * (h + gap) + gap, columns * (w + gap) + gap, 3) uint8 RGB.
    """
    images = np.clip(np.round(np.asarray(images)), 0, 255).astype(np.uint8)
    count, height, width = images.shape[:3]
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = (gap + (number // columns) * (height + gap), gap + (number % columns) * (width + gap))
        sheet[top : top + height, left : left + width] = image
    return sheet
