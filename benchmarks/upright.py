"""Faces laid upright by five landmarks: a way of cutting that benchmarks/real_pictures.py measures.

The landmarks are those of YuNet, whose weights a user fetches with `facecli weights get yunet`.
"""

from pathlib import Path

import cv2
import numpy as np

CHIP_LANDMARKS = np.float32([(0.289, 0.290), (0.680, 0.287), (0.475, 0.524), (0.320, 0.687), (0.654, 0.682)])
"""Eyes, nose and corners of the mouth in UTKFace's chips, fractions of the side, the viewer's left first:
medians of 250 chips."""
SIDE = 224
_LANDMARK_COLUMNS = slice(4, 14)
_SCORE = 0.7


class UprightCropper:
    """Lays the face nearest to the middle of a picture on the landmarks of a chip."""

    def __init__(self, weights: Path) -> None:
        """`weights`: face_detection_yunet_*.onnx of the OpenCV model zoo."""
        self._network = cv2.FaceDetectorYN.create(str(weights), "", (320, 320), score_threshold=_SCORE)

    def cut(self, image_rgb: np.ndarray) -> np.ndarray | None:
        """(SIDE, SIDE, 3) uint8 RGB of (H, W, 3) uint8 RGB; edges repeat. None without a face."""
        height, width = image_rgb.shape[:2]
        self._network.setInputSize((width, height))
        _, rows = self._network.detect(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
        if rows is None:
            return None
        off = np.abs(rows[:, :2] + rows[:, 2:4] / 2 - (width / 2, height / 2)).sum(axis=1)
        landmarks = rows[np.argmin(off), _LANDMARK_COLUMNS].reshape(5, 2)
        matrix, _ = cv2.estimateAffinePartial2D(landmarks, CHIP_LANDMARKS * SIDE, method=cv2.LMEDS)
        if matrix is None:
            return None
        return cv2.warpAffine(
            image_rgb, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
