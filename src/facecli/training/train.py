"""`facecli train`: a prepared data set becomes a model folder."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from facecli.core import paths
from facecli.core.errors import InputError
from facecli.core.recipes import GENUINE, STUDENTS, FitOptions, ResolvedRequest, TrainRequest, resolve
from facecli.data.checks import check_trainable
from facecli.data.rebalance import rebalance
from facecli.models.build import build_model
from facecli.models.checkpoint import Checkpoint, load_checkpoint
from facecli.training.augment import build_augmentation
from facecli.training.calibrate import calibrate
from facecli.training.engine import Rows, fit
from facecli.training.prepare import PreparedData
from facecli.training.save import HISTORY_FILE, Recipe, save_model
from facecli.training.start import earlier_stages, load_embedding
from facecli.training.targets import build_targets
from facecli.training.transfer import train_transfer

log = logging.getLogger(__name__)


def train(data: PreparedData, request: TrainRequest, options: FitOptions) -> Checkpoint:
    """Trains, writes `saved_model/<name>/`, and fits the calibration on the validation rows.

    Raises:
        DataError: too few pictures, or a class without any.
        InputError: the request does not fit together.
        CheckpointError, WeightsError: what the model starts from is missing.
    """
    plan = resolve(request)
    data = data.taught(plan.heads, plan.allow_one_sided)
    check_trainable(data.frame, plan.heads)
    started = time.monotonic()
    folder = paths.saved_model_dir() / plan.name
    rows, weights = _rebalanced(data, plan.rebalance, options.seed)
    if plan.backbone == GENUINE:
        network, history = train_transfer(
            data,
            rows,
            weights,
            plan.heads,
            options,
            folder / "epochs",
            plan.trunk_weights,
            plan.unfreeze,
            plan.unfreeze_epochs,
        )
    else:
        network, history = _train_whole(data, rows, weights, plan, options, folder / "epochs")
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
        extra={
            "sets": dict(data.sets),
            "initial": plan.initial,
            "earlier_stages": earlier_stages(_start(plan)),
        },
    )
    return calibrate(save_model(network, recipe, history, folder), data)


def _rebalanced(data: PreparedData, method: str, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    train_rows = data.rows("train")
    index, weights = rebalance(data.frame.iloc[train_rows], method, seed)
    return train_rows[index], weights if method == "weights" else None


def _history_of(student: Checkpoint | None, heads: Sequence[str]) -> list[dict[str, float]]:
    """The history of a model that is taken as it is. Raises InputError when there is none to take."""
    lacking = set(heads) - set(student.heads if student else ())
    if student is None or lacking:
        raise InputError(
            f"--epochs 0 takes a model as it is, but none has learnt {', '.join(sorted(lacking))}"
        )
    path = student.folder / HISTORY_FILE
    rows = pd.read_csv(path).to_dict("records") if path.is_file() else []
    return [{str(name): value for name, value in row.items()} for row in rows]


def _start(request: TrainRequest) -> str | None:
    """Name or folder of the model that a run goes on from."""
    distilled = request.model_type == "facenet" and request.backbone in STUDENTS
    return request.initial or (request.embedding if distilled else None)


def _train_whole(
    data: PreparedData,
    rows: np.ndarray,
    weights: np.ndarray | None,
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
    network = build_model(request.backbone, request.heads, size)
    if student:
        load_embedding(network, student.folder)
    if options.epochs == 0:
        return network, _history_of(student, request.heads)
    image_size = network.input.shape[1:3]
    crops, targets = data.crops(image_size), build_targets(data.frame, request.heads)
    augmentation = build_augmentation(image_size, options.degraded_share, options.seed)
    train_rows = Rows(crops, targets, rows, weights, data.of_set)
    val_rows = Rows(crops, targets, data.rows("val"), sets=data.of_set)
    return network, fit(network, train_rows, val_rows, options, folder, augmentation)
