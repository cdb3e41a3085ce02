"""The genuine FaceNet: the trunk with published weights."""

from collections.abc import Sequence
from pathlib import Path

import keras

from facecli import paths
from facecli.errors import WeightsError
from facecli.models.inception_resnet_v1 import TAPS, build_inception_resnet_v1
from facecli.models.pretrained import assign, load_arrays
from facecli.models.weights import find_weights


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
    assign(model, load_arrays(path))
    return keras.Model(model.input, {tap: model.output[tap] for tap in taps}, name=model.name)
