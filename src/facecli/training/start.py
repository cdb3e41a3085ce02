"""What a run starts from: a saved network, loaded safely, or the layers of one."""

import logging
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from facecli.core import paths
from facecli.core.errors import CheckpointError
from facecli.models.build import in_precision
from facecli.models.checkpoint import KERAS_FILE, Checkpoint, load_checkpoint

log = logging.getLogger(__name__)


def load_embedding(network: keras.Model, folder: Path, average: Sequence[Path] = ()) -> None:
    """Gives a network the backbone of a distilled student, and its heads where names agree.

    With `average`, further students that went on from one with it, the mean of all their weights
    (Wortsman et al., Model soups, ICML 2022).

    Raises CheckpointError when a student has another shape.
    """
    names = ["backbone", *_head_layers(network)]
    found: dict[str, list[list[np.ndarray]]] = {}
    for place in (folder, *average):
        student = load_network(load_checkpoint(place))
        for layer in student.layers:
            if layer.name in names:
                found.setdefault(layer.name, []).append(layer.get_weights())
    try:
        for name, weights in found.items():
            mean = [np.mean(same, axis=0) for same in zip(*weights, strict=True)]
            network.get_layer(name).set_weights(mean)
    except ValueError as error:
        told = f"{folder} does not fit the backbone; run 'facecli distil' again"
        if average:
            told = f"{', '.join(map(str, (folder, *average)))} do not all fit one backbone"
        raise CheckpointError(told) from error
    log.info("starting from the distilled backbone in %s", ", ".join(map(str, (folder, *average))))


def load_network(checkpoint: Checkpoint) -> keras.Model:
    """The Keras network of a checkpoint, in float32, after its digest was checked; no code is executed.

    Raises CheckpointError, naming the folder, for a damaged file, a Lambda layer or other heads.
    """
    path = checkpoint.verified(KERAS_FILE)
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError) as error:
        reason = str(error).strip().splitlines()[0][:160]
        raise CheckpointError(f"{path} cannot be loaded safely: {reason}") from error
    lacking = [head for head in checkpoint.heads if head not in _outputs(network)]
    if lacking:
        raise CheckpointError(f"{path} has no output for {', '.join(lacking)}; config.json names other heads")
    # A CPU computes float16 slowly and adds it up badly: it is for the file only.
    whole = all(weights.dtype == "float32" for weights in network.weights)
    return network if whole else in_precision(network, "float32")


def earlier_stages(initial: str | None) -> list[dict[str, object]]:
    """What made the model that a run goes on from, the first stage first."""
    if initial is None:
        return []
    before = load_checkpoint(paths.find_model(initial)).config
    last = {key: before.get(key) for key in ("command", "duration_s", "seed")}
    return [*before.get("earlier_stages", []), last]


def _outputs(network: keras.Model) -> Sequence[str]:
    return list(network.output) if isinstance(network.output, dict) else []


def _head_layers(network: keras.Model) -> list[str]:
    """Those that learn: a folded race is no weight of anybody's."""
    dense = (layer for layer in network.layers if isinstance(layer, keras.layers.Dense))
    return [layer.name for layer in dense if layer.trainable]
