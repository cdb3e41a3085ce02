"""Faces to probabilities with LiteRT: all crops of a frame in one call, no TensorFlow."""

from pathlib import Path

import numpy as np

from facecli.core.arrays import Array
from facecli.core.attributes import CLASS_NAMES, HEAD_CLASSES
from facecli.core.errors import CheckpointError
from facecli.core.process import quiet_stderr
from facecli.models.checkpoint import LITERT_FILE, Checkpoint
from facecli.models.litert import open_network
from facecli.models.readout import fold_heads, load_calibration, stored_heads

_INPUT = "image"
_ROUNDED = 0.02
"""How far from 1 probabilities may sum up to: int8 weights and float16 leave them exact to some digits."""


class Predictor:
    """The network of one checkpoint, loaded and checked once."""

    def __init__(self, checkpoint: Checkpoint, num_threads: int | None = None) -> None:
        """Loads `model.tflite`.

        Args:
            checkpoint: model folder; the file's digest is checked before it is parsed.
            num_threads: threads of the XNNPACK kernels; None takes the cores, at most 4.

        Raises:
            CheckpointError: the file is missing, changed, no LiteRT model, or its input and
                outputs are not those that `config.json` describes, or its calibration is damaged.
        """
        self.checkpoint = checkpoint
        self.heads = checkpoint.heads
        self.image_size = checkpoint.image_size
        self.calibration = load_calibration(checkpoint)
        path = checkpoint.folder / LITERT_FILE
        _check_labels(checkpoint)
        self._network = open_network(checkpoint, num_threads)
        self._check_input(path)
        self._check_outputs(path)

    def predict(self, crops: Array) -> dict[str, Array]:
        """Probabilities of every head, class heads calibrated (`Calibration.apply`).

        Args:
            crops: (n, height, width, 3) uint8 RGB, of the checkpoint's image size; n may be 0.

        Returns:
            Head -> (n, classes) float32, rows sum to 1; (0, classes) without crops.

        Raises:
            ValueError: crops of another shape or type.
        """
        return self.calibration.apply(self.predict_raw(crops))

    def predict_raw(self, crops: Array) -> dict[str, Array]:
        """Like `predict`, as the network itself says it; heads of which it has a finer one are folded."""
        expected = (*self.image_size, 3)
        if crops.shape[1:] != expected or crops.dtype != np.uint8:
            raise ValueError(f"crops are {crops.shape} {crops.dtype}, not (n, {expected}) uint8")
        if len(crops) == 0:
            counts = {head: self.checkpoint.class_count(head) for head in self.heads}
            return {head: np.empty((0, count), np.float32) for head, count in counts.items()}
        return fold_heads(self._run(crops), self.heads)

    def _run(self, crops: Array) -> dict[str, Array]:
        return self._network(crops)

    def _check_input(self, path: Path) -> None:
        inputs = self._network.inputs
        if list(inputs) != [_INPUT]:
            raise CheckpointError(f"{path} has inputs {sorted(inputs)}, not '{_INPUT}': not a facecli model")
        shape = [int(size) for size in inputs[_INPUT]["shape_signature"]]
        expected = [-1, *self.image_size, 3]
        if shape != expected or inputs[_INPUT]["dtype"] != np.uint8:
            raise CheckpointError(
                f"{path} takes {shape} {np.dtype(inputs[_INPUT]['dtype'])}, but config.json says "
                f"{expected} uint8; get the model folder again"
            )

    def _check_outputs(self, path: Path) -> None:
        """Runs one empty picture: only then are all output shapes known."""
        stored = stored_heads(self.heads)
        if missing := set(stored) - set(self._network.outputs):
            raise CheckpointError(f"{path} lacks the heads {sorted(missing)} that config.json names")
        try:
            with quiet_stderr():
                outputs = self._run(np.zeros((1, *self.image_size, 3), np.uint8))
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(f"{path} cannot be run ({_first_line(error)})") from error
        for head in stored:
            count = self.checkpoint.class_count(head)
            if outputs[head].shape != (1, count):
                raise CheckpointError(
                    f"{path}: head '{head}' gives {outputs[head].shape[1:]} classes, not "
                    f"{count}; it is another kind of model"
                )
            if outputs[head].min() < 0 or abs(outputs[head].sum() - 1) > _ROUNDED:
                raise CheckpointError(
                    f"{path}: head '{head}' gives no probabilities; get the model folder again"
                )


def _check_labels(checkpoint: Checkpoint) -> None:
    """Raises CheckpointError when the classes have other names or another order than here."""
    labels = checkpoint.config["labels"]
    for head in (head for head in checkpoint.heads if head in HEAD_CLASSES):
        known = list(CLASS_NAMES.get(head, map(str, range(HEAD_CLASSES[head]))))
        found = labels.get(head) if isinstance(labels, dict) else None
        if found != known:
            raise CheckpointError(
                f"{checkpoint.folder}/config.json: the classes of '{head}' are not those of this facecli"
            )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
