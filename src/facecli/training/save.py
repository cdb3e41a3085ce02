"""A model folder: a trained network is written as one, and a run starts from the network of one."""

import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from facecli.core import paths
from facecli.core.arrays import Array
from facecli.core.attributes import CLASS_NAMES, HEAD_CLASSES, ClassNames
from facecli.core.errors import CheckpointError
from facecli.core.paths import replacing
from facecli.core.recipes import FitOptions
from facecli.detect.registry import built_in_names, find_entry
from facecli.models.checkpoint import KERAS_FILE, LITERT_FILE, Checkpoint, load_checkpoint, write_config
from facecli.models.export import export_tflite, heads_only, litert_bytes
from facecli.models.networks import in_precision
from facecli.models.readout import stored_heads
from facecli.models.terms import Terms, learnt_terms

log: logging.Logger = logging.getLogger(__name__)

HISTORY_FILE = "history.csv"


@dataclass(frozen=True)
class Recipe:
    """What made a model, as `config.json` keeps it."""

    name: str
    model_type: str
    backbone: str
    heads: Sequence[str]
    seed: int
    split_digest: str
    rebalance: str
    options: FitOptions
    command: str
    duration_s: float
    epoch: int | None = None
    """The epoch whose weights these are, counted from 1; None where there is no telling."""
    starting_point: bool = False
    classes: ClassNames = field(default_factory=lambda: CLASS_NAMES)
    extra: Mapping[str, object] = field(default_factory=dict)


def save_model(
    network: keras.Model, recipe: Recipe, history: Sequence[Mapping[str, float]], folder: Path
) -> Checkpoint:
    """Writes `model.keras`, `model.tflite`, `history.csv` and, last, `config.json`.

    The network is stored in float16 whatever it was trained in (`training.save.load_network` computes in
    float32), and so are the weights of its LiteRT copy. That is left out of a `starting_point`, which
    is only trained further, and where Keras does not compute with TensorFlow.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored = in_precision(network, "float16")
    files = [KERAS_FILE]
    with replacing(folder / KERAS_FILE) as temporary:
        stored.save(temporary)
    if not recipe.starting_point and _can_export():
        exact = in_precision(stored, "float32")
        export_tflite(heads_only(exact, stored_heads(recipe.heads)), folder / LITERT_FILE, half=True)
        files.append(LITERT_FILE)
    with replacing(folder / HISTORY_FILE) as temporary:
        pd.DataFrame(list(history)).round(6).to_csv(temporary, index=False)
    checkpoint = write_config(folder, _config(network, recipe), tuple(files))
    log.info("saved %s", folder)
    return checkpoint


def _can_export() -> bool:
    """Training runs on other backends of Keras, too; the LiteRT copy needs TensorFlow's."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        log.warning("no LiteRT copy with Keras on %s; 'facecli export' makes it on TensorFlow", backend)
    return backend == "tensorflow"


def _detectors() -> dict[str, dict[str, float]]:
    """The crops with which boxes of the detectors here look like training chips."""
    crops = {name: find_entry(name).chip_crop for name in built_in_names()}
    return {name: dict(zip(("margin", "shift_y"), crop, strict=True)) for name, crop in crops.items() if crop}


def _config(network: keras.Model, recipe: Recipe) -> dict[str, Any]:
    return {
        **{
            key: value
            for key, value in asdict(recipe).items()
            if key not in ("extra", "classes", "starting_point")
        },
        **recipe.extra,
        "heads": list(recipe.heads),
        "labels": {head: _labels(head, recipe.classes) for head in recipe.heads},
        "image_size": list(network.input.shape[1:3]),
        "detectors": _detectors(),
        "parameters": int(network.count_params()),
        "terms": _terms(recipe).to_config(),
        "versions": versions(),
    }


def save_finder(
    network: keras.Model,
    folder: Path,
    history: Sequence[Mapping[str, float]],
    seen: Array,
    float_layers: Sequence[str],
    float_operations: Sequence[str] = (),
) -> keras.Model:
    """Writes `model.keras` (float16), `model.tflite` (int8) and `history.csv` of a detector or the like.

    Args:
        network: what was trained.
        folder: is made.
        history: a row an epoch.
        seen: (n, h, w, 3) uint8 RGB, whose activations set the ranges of int8.
        float_layers, float_operations: see `models.export.litert_bytes`.

    Returns:
        The stored network in float32.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored = in_precision(network, "float16")
    with replacing(folder / KERAS_FILE) as temporary:
        stored.save(temporary)
    exact = in_precision(stored, "float32")
    with replacing(folder / LITERT_FILE) as temporary:
        temporary.write_bytes(litert_bytes(exact, "int8", seen, float_layers, float_operations))
    with replacing(folder / HISTORY_FILE) as temporary:
        pd.DataFrame(list(history)).round(6).to_csv(temporary, index=False)
    return exact


def versions() -> dict[str, str]:
    """What a network was made with."""
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "numpy": np.__version__,
    }


def _terms(recipe: Recipe) -> Terms:
    """What may be done with the model, by what it and the model that it went on from have learnt."""
    initial, sets = recipe.extra.get("initial"), recipe.extra.get("sets")
    before = None
    if isinstance(initial, str) and initial:
        try:
            before = load_checkpoint(paths.find_model(initial)).config
        except CheckpointError as error:
            log.warning("what %s has learnt from is not known any more: %s", initial, error)
            before = {}
    teachers = recipe.extra.get("teachers")
    return learnt_terms(
        recipe.model_type,
        sets if isinstance(sets, Mapping) else (),
        before,
        teachers if isinstance(teachers, list) else (),
    )


def _labels(head: str, classes: ClassNames) -> list[str]:
    return list(classes[head]) if head in classes else [str(year) for year in range(HEAD_CLASSES[head])]


def load_embedding(network: keras.Model, folder: Path, average: Sequence[Path] = ()) -> None:
    """Gives a network the backbone of a distilled student, and its heads where names agree.

    With `average`, further students that went on from one with it, the mean of all their weights
    (Wortsman et al., Model soups, ICML 2022).

    Raises CheckpointError when a student has another shape.
    """
    names = ["backbone", *_head_layers(network)]
    found: dict[str, list[list[Array]]] = {}
    for place in (folder, *average):
        checkpoint = load_checkpoint(place)
        for layer in load_network(checkpoint).layers:
            if layer.name in names and not _is_added(layer, network, checkpoint):
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


def _is_added(layer: keras.layers.Layer, network: keras.Model, checkpoint: Checkpoint) -> bool:
    """Is it a head that was added to a finished network, and has no hidden layer? It is learnt anew."""
    if layer.name not in checkpoint.further:
        return False
    shapes = ([weights.shape for weights in one.weights] for one in (layer, network.get_layer(layer.name)))
    return next(shapes) != next(shapes)


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
