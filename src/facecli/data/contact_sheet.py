"""Many small pictures on one, to look at."""

import math

import numpy as np
import numpy.typing as npt


def contact_sheet(images: npt.ArrayLike, columns: int = 8, gap: int = 2) -> np.ndarray:
    """Pictures of one size in rows of `columns`, on white.

    Args:
        images: (n, h, w, 3) RGB 0..255 of any dtype, at least one.
        columns: pictures a row.
        gap: white pixels between pictures and around them.

    Returns:
        (rows * (h + gap) + gap, columns * (w + gap) + gap, 3) uint8 RGB.
    """
    pictures = np.clip(np.round(np.asarray(images)), 0, 255).astype(np.uint8)
    count, height, width = pictures.shape[:3]
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for number, image in enumerate(pictures):
        top, left = (gap + (number // columns) * (height + gap), gap + (number % columns) * (width + gap))
        sheet[top : top + height, left : left + width] = image
    return sheet
