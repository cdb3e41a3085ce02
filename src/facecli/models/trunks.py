"""Frozen trunks with published weights, which a student learns from: FaceNet and MobileNet.

MobileNet was trained on VGGFace2 identities, then on ages and genders: a frozen TensorFlow graph of
the HSE University (A. Savchenko, "Efficient facial representations for age, gender and identity
recognition in organizing photo albums using multi-output ConvNet", PeerJ CS 2019). OpenCV reads it, so
that it needs no TensorFlow.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import keras
import numpy as np

from facecli.core import paths
from facecli.core.errors import WeightsError
from facecli.models.inception_resnet_v1 import TAPS, build_inception_resnet_v1
from facecli.models.pretrained import assign_weights, load_arrays
from facecli.models.weights_registry import find_weights

IMAGE_SIZE = (224, 224)
"""Of MobileNet, (height, width)."""
FEATURES = 1024
_MEAN_BGR = (103.939, 116.779, 123.68)
_POOLED = "global_pooling/Mean"


def load_facenet(path: Path | None = None, taps: Sequence[str] = ("embedding",)) -> keras.Model:
    """Builds the FaceNet trunk with published weights.

    Args:
        path: a .npz, .h5 or .pt file; without it the weights folder is searched.
        taps: the features to put out, see `build_inception_resnet_v1`.

    Returns:
        A model from (n, 160, 160, 3) uint8 RGB to a dict tap -> (n, d) float32.

    Raises:
        WeightsError: no weights there, or they do not fit the network.
    """
    path = Path(path) if path else find_weights("facenet")
    if path is None:
        raise WeightsError(
            f"no FaceNet weights in {paths.weights_dir()}; fetch them with 'facecli weights get facenet'"
        )
    model = build_inception_resnet_v1(TAPS)
    assign_weights(model, load_arrays(path))
    return keras.Model(model.input, {tap: model.output[tap] for tap in taps}, name=model.name)


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
