"""`facecli train`: a prepared data set becomes a model folder; whole networks, or heads on FaceNet."""

import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import layers

from facecli.core import paths
from facecli.core.arrays import Array
from facecli.core.attributes import CLASS_NAMES, ClassNames
from facecli.core.errors import InputError
from facecli.core.paths import MODEL_FOLDERS
from facecli.core.recipes import (
    EMBEDDING_MODEL,
    GENUINE,
    KEEP_BEST,
    STUDENTS,
    FitOptions,
    ResolvedRequest,
    TrainRequest,
    check_head_weights,
    resolve,
)
from facecli.data.groups import Balanced, rebalance
from facecli.data.statistics import check_trainable
from facecli.models.checkpoint import Checkpoint, load_checkpoint
from facecli.models.inception_resnet_v1 import TAP_DIMS
from facecli.models.networks import HEADED, attach_heads, build_model
from facecli.models.pretrained import load_facenet
from facecli.models.registry import EPOCHS_FOLDER, epoch_folder, kept_epochs, remove_epochs
from facecli.training.added import add_heads, adds_heads
from facecli.training.augment import build_augmentation
from facecli.training.calibrate import calibrate
from facecli.training.engine import Rows, fit
from facecli.training.epochs import best_first, kept_weights
from facecli.training.prepare import PreparedData, build_targets
from facecli.training.save import HISTORY_FILE, Recipe, earlier_stages, load_embedding, save_model
from facecli.training.teachers import TAPS, facenet_features

log: logging.Logger = logging.getLogger(__name__)


def train(data: PreparedData, request: TrainRequest, options: FitOptions) -> Checkpoint:
    """Trains, writes `saved_model/<name>/`, and fits the calibration on the validation rows.

    Raises:
        DataError: too few pictures, or a class without any.
        InputError: the request does not fit together.
        CheckpointError, WeightsError: what the model starts from is missing.
    """
    plan = resolve(request)
    data.check_heads(plan.heads)
    if adds_heads(plan):
        return add_heads(data, plan, options)
    data = data.taught(plan.heads, plan.allow_one_sided)
    check_trainable(data.frame, plan.heads, data.class_names)
    check_head_weights(options.head_weights, plan.heads)
    if plan.unfreeze and options.keep_epochs != KEEP_BEST:
        raise InputError("epochs can be kept only when training in one stage; --unfreeze has two")
    started = time.monotonic()
    folder = paths.saved_model_dir() / plan.name
    balanced = _rebalanced(data, plan, options.seed)
    if plan.backbone == GENUINE:
        network, history = train_transfer(
            data,
            balanced,
            plan.heads,
            options,
            folder / EPOCHS_FOLDER,
            plan.trunk_weights,
            plan.unfreeze,
            plan.unfreeze_epochs,
        )
    else:
        network, history = _train_whole(data, balanced, plan, options, folder / EPOCHS_FOLDER)
    recipe = Recipe(
        name=plan.name,
        model_type=plan.model_type,
        backbone=plan.backbone,
        heads=plan.heads,
        seed=options.seed,
        split_digest=data.digest,
        rebalance=plan.rebalance,
        options=options,
        command=plan.command,
        duration_s=round(time.monotonic() - started, 1),
        epoch=best_first(history)[0] if options.epochs and not plan.unfreeze else None,
        classes=data.class_names,
        extra={
            **({"left_out": plan.left_out} if plan.rebalance == "undersample" else {}),
            "sets": dict(data.sets),
            "initial": plan.initial,
            "earlier_stages": earlier_stages(_start(plan)),
            "average": {name: earlier_stages(name) for name in plan.average},
        },
    )
    checkpoint = calibrate(save_model(network, recipe, history, folder), data)
    if options.epochs:
        _save_kept(network, recipe, history, folder, data)
    else:
        remove_epochs(folder)
    return checkpoint


def _save_kept(
    network: keras.Model,
    recipe: Recipe,
    history: Sequence[Mapping[str, float]],
    folder: Path,
    data: PreparedData,
) -> None:
    """Makes a model folder, calibrated on its own, of every epoch that was kept beside the best.

    Its weights go when it is whole, so that a killed run loses none. Nothing is kept of the best epoch:
    that is the model.
    """
    # Of heads on stored features those alone were trained, and saved.
    trained = next((layer for layer in network.layers if layer.name == HEADED), network)
    for number, weights in kept_weights(folder / EPOCHS_FOLDER).items():
        if number != recipe.epoch:
            trained.load_weights(weights)
            named = replace(recipe, name=f"{recipe.name}-epoch-{number:03d}", epoch=number)
            calibrate(save_model(network, named, history[:number], epoch_folder(folder, number)), data)
        weights.unlink()
    if kept := kept_epochs(folder):
        size = sum(one.size_bytes for one in kept) / 1e6
        log.info("kept %d epochs beside the best, %s: %.1f MB", len(kept), recipe.epoch, size)


def _rebalanced(data: PreparedData, plan: ResolvedRequest, seed: int) -> Balanced:
    """What an epoch sees of the table, by positions in it."""
    train_rows = data.rows("train")
    found = rebalance(data.frame.iloc[train_rows], plan.rebalance, seed, plan.left_out)
    return replace(found, rows=train_rows[found.rows])


def _rows(
    inputs: Array, targets: Mapping[str, Any], balanced: Balanced, sets: Array, classes: ClassNames
) -> Rows:
    """Training rows; without weights or shares of epochs where all are 1."""
    weights = None if (balanced.weights == 1).all() else balanced.weights
    return Rows(inputs, targets, balanced.rows, weights, sets, seen=balanced.seen, classes=classes)


def _history_of(student: Checkpoint | None, heads: Sequence[str]) -> list[dict[str, float]]:
    """The history of a model that is taken as it is. Raises InputError when there is none to take."""
    lacking = set(heads) - set(student.heads if student else ())
    if student is None or lacking:
        raise InputError(
            f"--epochs 0 keeps the initial model, which was not trained for {', '.join(sorted(lacking))}"
        )
    path = student.folder / HISTORY_FILE
    rows = pd.read_csv(path).to_dict("records") if path.is_file() else []
    return [{str(name): value for name, value in row.items()} for row in rows]


def _start(request: TrainRequest) -> str | None:
    """Name or folder of the model that a run goes on from."""
    distilled = request.model_type == "facenet" and request.backbone in STUDENTS
    return request.initial or (request.embedding or _student() if distilled else None)


def _student() -> str:
    """What `facecli distil` wrote by default, else the facenet that ships, which began as a student."""
    own = paths.may_hold(paths.saved_model_dir() / EMBEDDING_MODEL, "config.json")
    return EMBEDDING_MODEL if own else MODEL_FOLDERS["facenet"]


def _train_whole(
    data: PreparedData,
    balanced: Balanced,
    request: ResolvedRequest,
    options: FitOptions,
    folder: Path,
) -> tuple[keras.Model, list[dict[str, float]]]:
    size = (request.image_size, request.image_size) if request.image_size else None
    start = _start(request)
    student = load_checkpoint(paths.find_model(start)) if start else None
    if student and size is None:
        size = student.image_size
    # Seeded here: the initial weights must not depend on how the data was prepared.
    keras.utils.set_random_seed(options.seed)
    classes = data.class_names
    network = build_model(request.backbone, request.heads, size, classes=classes)
    if student:
        load_embedding(network, student.folder, [paths.find_model(name) for name in request.average])
    if options.epochs == 0:
        return network, _history_of(student, request.heads)
    image_size = network.input.shape[1:3]
    crops, targets = data.crops(image_size), build_targets(data.frame, request.heads, classes)
    augmentation = build_augmentation(image_size, options.degraded_share, options.seed)
    train_rows = _rows(crops, targets, balanced, data.of_set, classes)
    val_rows = Rows(crops, targets, data.rows("val"), sets=data.of_set, classes=classes)
    return network, fit(network, train_rows, val_rows, options, folder, augmentation)


HIDDEN_UNITS = 256
DROPOUT = 0.5
UNFREEZE_RATE = 0.05
"""Share of the learning rate that pretrained weights are trained with."""
_BLOCK = re.compile(r"^(Block\d+_\d+|Mixed_\d[a-z]|Bottleneck)")


def train_transfer(
    data: PreparedData,
    balanced: Balanced,
    heads: Sequence[str],
    options: FitOptions,
    folder: Path,
    trunk_weights: Path | None = None,
    unfreeze: int = 0,
    unfreeze_epochs: int = 2,
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Trains heads on FaceNet, then perhaps both; with `options.epochs` 0 both from the beginning.

    Args:
        data, heads, options: as everywhere.
        balanced: what an epoch sees; its rows are positions in the table.
        folder: where the epochs are kept.
        trunk_weights: FaceNet weight file, else the weights folder is searched.
        unfreeze: how many of the trunk's last blocks learn too, after the heads.
        unfreeze_epochs: epochs of that second part.

    Returns:
        A network (n, 160, 160, 3) uint8 RGB -> head -> probabilities, and the history.
    """
    classes = data.class_names
    targets = build_targets(data.frame, heads, classes)
    keras.utils.set_random_seed(options.seed)
    head_network = build_feature_heads(sum(TAP_DIMS[tap] for tap in TAPS), heads, classes)
    history = []
    if options.epochs or not unfreeze:
        features = _features(data, trunk_weights)
        train = _rows(features, targets, balanced, data.of_set, classes)
        val = Rows(features, targets, data.rows("val"), sets=data.of_set, classes=classes)
        history = fit(head_network, train, val, options, folder)
    network = compose(load_facenet(trunk_weights, TAPS), head_network)
    if unfreeze:
        unfreeze_blocks(network, unfreeze)
        second = replace(
            options,
            epochs=unfreeze_epochs,
            learning_rate=options.learning_rate * UNFREEZE_RATE,
            warmup_epochs=0.5,
        )
        crops = data.crops((160, 160))
        train = _rows(crops, targets, balanced, data.of_set, classes)
        val = Rows(crops, targets, data.rows("val"), sets=data.of_set, classes=classes)
        augmentation = build_augmentation((160, 160), options.degraded_share, options.seed)
        history = history + fit(network, train, val, second, folder / "unfrozen", augmentation)
    return network, history


def build_feature_heads(size: int, heads: Sequence[str], classes: ClassNames = CLASS_NAMES) -> keras.Model:
    """Heads on stored features (n, size); the features are standardised by batch statistics."""
    features = keras.Input((size,), name="features")
    normed = layers.BatchNormalization(center=False, scale=False, name="standardise")(features)
    backbone = keras.Model(features, normed, name="standardised")
    return attach_heads(backbone, heads, DROPOUT, hidden=HIDDEN_UNITS, classes=classes)


def compose(trunk: keras.Model, head_network: keras.Model) -> keras.Model:
    """One network out of a trunk with the taps TAPS and heads trained on its features."""
    trunk.trainable = False
    taps = trunk(trunk.input)
    features = layers.Concatenate(name="taps")([taps[tap] for tap in TAPS])
    return keras.Model(trunk.input, head_network(features), name=HEADED)


def unfreeze_blocks(network: keras.Model, count: int) -> list[str]:
    """Makes the last `count` blocks of the trunk trainable and returns their names.

    Raises InputError when the trunk has not so many.
    """
    trunk = next(
        layer for layer in network.layers if isinstance(layer, keras.Model) and len(layer.layers) > 50
    )
    trunk.trainable = True
    names = [match[1] for layer in trunk.layers if (match := _BLOCK.match(layer.name))]
    blocks = list(dict.fromkeys(names))
    if count > len(blocks):
        raise InputError(f"cannot unfreeze {count} blocks: the trunk has {len(blocks)}")
    chosen = blocks[-count:]
    for layer in trunk.layers:
        match = _BLOCK.match(layer.name)
        layer.trainable = bool(match and match[1] in chosen)
    return chosen


def _features(data: PreparedData, weights: Path | None) -> Array:
    files = [data.folder / file for file in data.frame["file"]]
    found = facenet_features(files, data.frame["sha256"].tolist(), weights)
    return np.concatenate([found[tap] for tap in TAPS], axis=1)
