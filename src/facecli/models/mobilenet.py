"""A second teacher: MobileNet, trained on VGGFace2 identities, then on ages and genders.

A frozen TensorFlow graph of the HSE University (A. Savchenko, "Efficient facial representations
for age, gender and identity recognition in organizing photo albums using multi-output ConvNet",
PeerJ CS 2019), read by OpenCV, so that it needs no TensorFlow.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from facecli import paths
from facecli.errors import WeightsError
from facecli.models.weights import find_weights

IMAGE_SIZE = (224, 224)
FEATURES = 1024
_MEAN_BGR = (103.939, 116.779, 123.68)
_POOLED = "global_pooling/Mean"


def load_mobilenet(path: Path | None = None) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Reads the graph.

    Args:
        path: the .pb file; without it the weights folder is searched.

    Returns:
        A function from (n, 224, 224, 3) uint8 RGB to {"mobilenet": (n, 1024) float32}, the
        pooled features of the last convolution.

    Raises:
        WeightsError: no such file, or another graph.
    """
    path = Path(path) if path else find_weights("mobilenet")
    if path is None:
        raise WeightsError(
            f"no MobileNet weights in {paths.weights_dir()}; "
            "install the file with 'facecli weights get mobilenet --from FILE'"
        )
    try:
        network = cv2.dnn.readNetFromTensorflow(str(path))
        known = _POOLED in network.getLayerNames()
    except cv2.error as error:
        raise WeightsError(f"{path} is no TensorFlow graph that OpenCV can read") from error
    if not known:
        raise WeightsError(f"{path} is another graph: it has no layer {_POOLED}")

    def features(images_rgb: np.ndarray) -> dict[str, np.ndarray]:
        if not len(images_rgb):
            return {"mobilenet": np.zeros((0, FEATURES), np.float32)}
        network.setInput(cv2.dnn.blobFromImages(list(images_rgb), 1.0, IMAGE_SIZE, _MEAN_BGR[::-1], True))
        return {"mobilenet": network.forward(_POOLED).reshape(len(images_rgb), FEATURES)}

    return features
