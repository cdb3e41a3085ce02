"""Where faces are: one interface for all detectors, built by name."""

from pathlib import Path
from typing import Protocol

import numpy as np

from facecli.core.errors import InputError
from facecli.core.paths import find_cascade
from facecli.detect.haar import HaarDetector, HaarOptions
from facecli.detect.yunet import YunetDetector


class Detector(Protocol):
    """What finds faces in a frame. `name` is the key of its crop in a model's `config.json`."""

    name: str

    def detect(self, frame_rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) uint8 RGB -> xyxy (n, 4) int32 inside the frame, scores (n,) float32 in [0, 1]."""
        ...


class WholePicture:
    """For pictures that are cropped already: the whole picture is one face."""

    name = "none"

    def detect(self, frame_rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The frame itself as the only box, score 1."""
        height, width = frame_rgb.shape[:2]
        return np.array([[0, 0, width, height]], np.int32), np.ones(1, np.float32)


def build_detector(
    name: str, haar_options: HaarOptions | None = None, yunet_weights: Path | None = None
) -> Detector:
    """Builds the detector of that name.

    Args:
        name: one of `DETECTORS`.
        haar_options: how "haar" searches; other detectors ignore it.
        yunet_weights: ONNX file that "yunet" needs; other detectors ignore it.

    Raises:
        InputError: unknown name, or "yunet" without weights.
        CheckpointError: the cascade or the weights cannot be read.
    """
    if name == HaarDetector.name:
        return HaarDetector(find_cascade(), haar_options)
    if name == WholePicture.name:
        return WholePicture()
    if name != YunetDetector.name:
        raise InputError(f"no detector '{name}'; choose one of {', '.join(DETECTORS)}")
    if yunet_weights is None:
        raise InputError(
            "the yunet detector has no weights here; fetch them with 'facecli weights get yunet' "
            "or name a file with --detector-weights"
        )
    return YunetDetector(yunet_weights)


DETECTORS = (HaarDetector.name, YunetDetector.name, WholePicture.name)
