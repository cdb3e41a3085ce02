"""A trained network is written as a model folder: Keras and LiteRT files, recipe, history."""

import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from facecli.crops import CHIP_CROPS, tighter_crop
from facecli.labels import CLASS_NAMES, HEAD_CLASSES
from facecli.models.checkpoint import KERAS_FILE, LITERT_FILE, Checkpoint, write_config
from facecli.models.export import export_tflite
from facecli.paths import replacing
from facecli.recipes import FitOptions

log = logging.getLogger(__name__)

HISTORY_FILE = "history.csv"


@dataclass(frozen=True)
class Recipe:
    """What made a model, as `config.json` keeps it."""

    name: str
    model_type: str
    backbone: str
    heads: Sequence[str]
    chip_margin: float
    seed: int
    split_digest: str
    rebalance: str
    options: FitOptions
    command: str
    duration_s: float
    extra: Mapping[str, object] = field(default_factory=dict)


def save_model(
    network: keras.Model, recipe: Recipe, history: Sequence[Mapping[str, float]], folder: Path
) -> Checkpoint:
    """Writes `model.keras`, `model.tflite`, `history.csv` and, last, `config.json`.

    The network is stored in float32 whatever it was trained in.
    """
    network = in_float32(network)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / KERAS_FILE) as temporary:
        network.save(temporary)
    export_tflite(_heads_only(network, recipe.heads), folder / LITERT_FILE)
    with replacing(folder / HISTORY_FILE) as temporary:
        pd.DataFrame(list(history)).round(6).to_csv(temporary, index=False)
    checkpoint = write_config(folder, _config(network, recipe), (KERAS_FILE, LITERT_FILE))
    log.info("saved %s", folder)
    return checkpoint


def in_float32(network: keras.Model) -> keras.Model:
    """A copy of a network with float32 layers and the same weights (the network itself if it is)."""
    config = network.get_config()
    if "bfloat16" not in str(config):
        return network
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        copy = keras.Model.from_config(_without_policies(config))
    finally:
        keras.config.set_dtype_policy(previous)
    copy.set_weights(network.get_weights())
    return copy


def _without_policies(value):
    """A serialised configuration with every reduced-precision policy replaced by float32."""
    if isinstance(value, dict):
        if value.get("class_name") == "DTypePolicy":
            return {**value, "config": {"name": "float32"}}
        return {key: _without_policies(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_without_policies(inner) for inner in value)
    return "float32" if value in ("bfloat16", "mixed_bfloat16") else value


def _heads_only(network: keras.Model, heads: Sequence[str]) -> keras.Model:
    return keras.Model(network.input, {head: network.output[head] for head in heads})


def _config(network: keras.Model, recipe: Recipe) -> dict:
    detectors = {}
    for detector, crop in CHIP_CROPS.items():
        margin, shift_y = tighter_crop(crop, recipe.chip_margin)
        detectors[detector] = {"margin": round(margin, 4), "shift_y": round(shift_y, 4)}
    return {
        **{key: value for key, value in asdict(recipe).items() if key not in ("chip_margin", "extra")},
        **recipe.extra,
        "heads": list(recipe.heads),
        "labels": {head: _labels(head) for head in recipe.heads},
        "image_size": list(network.input.shape[1:3]),
        "detectors": detectors,
        "parameters": int(network.count_params()),
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "numpy": np.__version__,
        },
    }


def _labels(head: str) -> list[str]:
    return list(CLASS_NAMES.get(head, [str(year) for year in range(HEAD_CLASSES[head])]))
