"""What a webcam does to a face, at three severities: the test copies of benchmarks/real_pictures.py.

OpenCV and NumPy on whole pictures, apart from the augmentation of training (`training/degrade.py`):
a model is not tested with the very code that it was trained with.
"""

from typing import NamedTuple

import cv2
import numpy as np


class Severity(NamedTuple):
    """One severity; pairs are ranges of a uniform draw for each picture.

    Attributes:
        scale: the picture's sides are shrunk to this fraction, then brought back.
        blur_sigma: of a Gaussian, pixels of the whole picture.
        noise_sigma: of Gaussian noise in each channel, grey levels of 255.
        jpeg_quality: 1 to 100.
        colour_cast: every channel is multiplied by 1 plus or minus at most this.
    """

    scale: tuple[float, float]
    blur_sigma: float
    noise_sigma: float
    jpeg_quality: int
    colour_cast: float


SEVERITIES = {
    "mild": Severity((0.6, 0.8), 0.5, 3.0, 70, 0.04),
    "medium": Severity((1 / 3, 1 / 2), 1.0, 6.0, 40, 0.08),
    "strong": Severity((0.2, 0.3), 1.5, 12.0, 25, 0.15),
}


def degrade(image_rgb: np.ndarray, severity: Severity, random: np.random.Generator) -> np.ndarray:
    """A copy as a webcam would show it: fewer pixels, blur, colour cast, noise, JPEG, in this order.

    Args:
        image_rgb: (H, W, 3) uint8.
        severity: how much.
        random: the source of all chance.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = image_rgb.shape[:2]
    scale = random.uniform(*severity.scale)
    small = (max(round(scale * width), 1), max(round(scale * height), 1))
    image = cv2.resize(image_rgb, small, interpolation=cv2.INTER_AREA)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    image = cv2.GaussianBlur(image, (0, 0), severity.blur_sigma).astype(np.float32)
    image *= 1 + random.uniform(-severity.colour_cast, severity.colour_cast, 3).astype(np.float32)
    image += random.normal(0, severity.noise_sigma, image.shape).astype(np.float32)
    bgr = np.clip(image, 0, 255).round().astype(np.uint8)[..., ::-1]
    quality = [cv2.IMWRITE_JPEG_QUALITY, severity.jpeg_quality]
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(bgr), quality)
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
