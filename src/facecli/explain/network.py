"""A model folder's Keras network, for explaining: outputs, scores and gradients as NumPy arrays."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from facecli.explain.float_path import float_path
from facecli.explain.target import Target
from facecli.labels import HEAD_CLASSES
from facecli.models.calibration import load_calibration
from facecli.models.checkpoint import Checkpoint

_BATCH_SIZE = 64


class ExplainedNetwork:
    """Reads crops like `vision.predict.Predictor`, and says how its outputs come about.

    Pictures are (n, h, w, 3) RGB, 0..255, uint8 or float; to be read, n may be 0. Everything but the two
    gradients works with every Keras backend.
    """

    def __init__(self, network: keras.Model, checkpoint: Checkpoint) -> None:
        """Takes the loaded network of a checkpoint.

        Raises CheckpointError when its calibration is damaged.
        """
        self.network = network
        self.checkpoint = checkpoint
        self.heads = checkpoint.heads
        self.image_size = checkpoint.image_size
        self.calibration = load_calibration(checkpoint)
        self._path = float_path(network)
        self._maps: keras.Model | None = None

    def predict(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Head -> calibrated probabilities (n, classes) float32."""
        return self.calibration.apply(self.predict_raw(crops))

    def predict_raw(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Like `predict`, as the network itself says it."""
        if not len(crops):
            # Some layers refuse an empty batch.
            return {head: np.empty((0, HEAD_CLASSES[head]), np.float32) for head in self.heads}
        found = _batched(self._raw, crops)
        return {head: found[head] for head in self.heads}

    def scores(self, crops: np.ndarray, target: Target) -> np.ndarray:
        """(n,) float32: years, or log-odds of a class (not calibrated)."""
        return self.all_scores(crops, [target])[:, 0]

    def all_scores(self, crops: np.ndarray, targets: Sequence[Target]) -> np.ndarray:
        """(n, targets) float32, read off one pass through the network; at least one target."""
        found = self.predict_raw(crops)
        scores = [target.score(keras.ops.convert_to_tensor(found[target.head])) for target in targets]
        return np.stack([keras.ops.convert_to_numpy(one) for one in scores], axis=1)

    def gradients(self, crops: np.ndarray, targets: Sequence[Target]) -> list[np.ndarray]:
        """d score / d pixel, (n, h, w, 3) float32 a target. Raises InputError where the backend has none."""
        from facecli.explain.gradients import input_gradients

        def compute(part: np.ndarray) -> Mapping[int, np.ndarray]:
            return dict(enumerate(input_gradients(self._path.model, part, targets)))

        return list(_batched(compute, crops).values())

    def spatial_gradients(self, crop: np.ndarray, target: Target) -> tuple[np.ndarray, np.ndarray]:
        """Feature map and d score / d feature map of one (h, w, 3) picture, (rows, columns, channels) each.

        Raises InputError for a network without a feature map, or as `gradients`.
        """
        from facecli.errors import InputError
        from facecli.explain.gradients import map_gradients

        if self._path.spatial is None:
            raise InputError(
                f"{self.checkpoint.name} has no feature map that everything flows through; "
                "choose another --method"
            )
        if self._maps is None:
            outputs = {"map": self._path.spatial, "heads": self._path.model.output}
            self._maps = keras.Model(self._path.model.input, outputs)
        return map_gradients(self._maps, crop[None].astype(np.float32), target)

    def _raw(self, crops: np.ndarray) -> Mapping[str, np.ndarray]:
        outputs = self._path.model(crops.astype(np.float32), training=False)
        return {head: keras.ops.convert_to_numpy(outputs[head]) for head in self.heads}


def _batched(compute: Callable[[np.ndarray], Mapping], crops: np.ndarray) -> dict:
    starts = range(0, len(crops), _BATCH_SIZE)
    parts = [compute(crops[start : start + _BATCH_SIZE]) for start in starts]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
