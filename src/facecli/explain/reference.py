"""What stands for "nothing to see here": the picture that a face is compared with."""

import cv2
import numpy as np

REFERENCES = {
    "blur": "the same face, blurred until only colours and light are left",
    "mean": "the face's mean colour everywhere",
    "grey": "mid-grey everywhere",
}
_BLUR_SHARE = 1 / 8
_MID_GREY = 127.5


def reference_of(crop: np.ndarray, name: str = "blur") -> np.ndarray:
    """The reference of one (h, w, 3) picture, 0..255, float32 of the same shape.

    Args:
        crop: RGB.
        name: one of REFERENCES.
    """
    picture = crop.astype(np.float32)
    if name == "blur":
        sigma = max(crop.shape[:2]) * _BLUR_SHARE
        return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    colour = picture.mean(axis=(0, 1)) if name == "mean" else np.full(3, _MID_GREY)
    return np.broadcast_to(colour, picture.shape).astype(np.float32)
