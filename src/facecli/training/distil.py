"""Distillation: a compact backbone learns from random weights what its teachers see.

The student is pulled towards its teachers' embedding and middle features (cosine distance;
Romero et al. 2015) and learns the labels beside them, softened by what heads on the teachers
say. The teachers are frozen networks that looked at each picture once, or a trained model that
looks at every augmented view (`views`). Only training rows are used: the teachers' view of a
test picture is never seen.
"""

import time
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np

from facecli import paths
from facecli.data.checks import check_trainable
from facecli.labels import HEAD_CLASSES
from facecli.models.build import build_model, default_size
from facecli.models.checkpoint import KERAS_FILE, Checkpoint, load_checkpoint
from facecli.recipes import DistilRequest, FitOptions
from facecli.training.augment import build_augmentation
from facecli.training.engine import Rows, fit
from facecli.training.prepare import PreparedData
from facecli.training.save import Recipe, save_model
from facecli.training.start import earlier_stages, load_embedding
from facecli.training.student_targets import frozen_targets, softened_labels, view_rows

VIEW_STRENGTH = 0.35
"""Of the augmentation of a view, which was augmented before its teacher saw it."""


def distil(data: PreparedData, options: FitOptions, request: DistilRequest) -> Checkpoint:
    """Trains a student and writes `saved_model/<name>/`.

    Args:
        data: prepared data; its "train" rows are learnt, its "val" rows choose the epoch.
        options: see FitOptions.
        request: see DistilRequest.

    Raises:
        WeightsError: the teacher's weights are missing.
        CheckpointError: `initial` or `teacher_model` is missing or of another shape.
    """
    started = time.monotonic()
    data = data.taught(request.heads, request.allow_one_sided)
    check_trainable(data.frame, request.heads)
    folder = paths.saved_model_dir() / request.name
    size = (request.image_size,) * 2 if request.image_size else default_size(request.backbone)
    train, val = _rows(data, request, options, size, folder)
    taps = {name: values.shape[1] for name, values in train.targets.items() if name not in HEAD_CLASSES}
    # Seeded here: everything before it must not shift the initial weights.
    keras.utils.set_random_seed(options.seed)
    network = build_model(request.backbone, request.heads, size, taps)
    if request.initial is not None:
        others = [paths.find_model(name) for name in request.average]
        load_embedding(network, paths.find_model(request.initial), others)
    strength = 1.0 if request.teacher_model is None else VIEW_STRENGTH
    augmentation = build_augmentation(size, options.degraded_share, options.seed, strength)
    history = fit(network, train, val, options, folder / f"epochs-{size[0]}", augmentation)
    recipe = Recipe(
        name=request.name,
        model_type="facenet",
        backbone=request.backbone,
        heads=request.heads,
        seed=options.seed,
        split_digest=data.digest,
        rebalance="none",
        options=options,
        command=request.command,
        duration_s=round(time.monotonic() - started, 1),
        starting_point=True,
        extra={
            "val_cosine": _cosines(network, val, taps, options.batch_size),
            "initial": request.initial,
            "earlier_stages": earlier_stages(request.initial),
            "average": {name: earlier_stages(name) for name in request.average},
            "teachers": list(request.teachers),
            "teacher_model": _digest_of(request.teacher_model),
            "sets": dict(data.sets),
        },
    )
    return save_model(network, recipe, history, folder)


def _rows(
    data: PreparedData, request: DistilRequest, options: FitOptions, size: tuple[int, int], folder: Path
) -> tuple[Rows, Rows]:
    """Training and validation rows with what the teachers say."""
    if request.teacher_model is None:
        return _frozen_rows(data, request, options, size, folder)
    teacher = load_checkpoint(paths.find_model(request.teacher_model))
    return _view_rows(data, teacher, request, options, size, folder)


def _frozen_rows(
    data: PreparedData, request: DistilRequest, options: FitOptions, size: tuple[int, int], folder: Path
) -> tuple[Rows, Rows]:
    """Training and validation rows with what frozen teachers say of each picture."""
    targets = frozen_targets(data, request, folder / "epochs-teacher", options)
    crops = data.crops(size)
    return (
        Rows(crops, targets, data.rows("train"), sets=data.of_set),
        Rows(crops, targets, data.rows("val"), sets=data.of_set),
    )


def _view_rows(
    data: PreparedData,
    teacher: Checkpoint,
    request: DistilRequest,
    options: FitOptions,
    size: tuple[int, int],
    folder: Path,
) -> tuple[Rows, Rows]:
    """Views of the training rows with what a trained model says of each, and the validation rows."""
    labels = softened_labels(data, request, folder / "epochs-teacher", options)
    view_size = (request.view_size,) * 2 if request.view_size else size
    train = view_rows(data, teacher, request.views, labels, view_size, options.seed)
    # Which epoch is best is decided by the heads: features of validation pictures are not needed.
    unseen = {
        name: np.broadcast_to(np.zeros((), np.float32), (len(data.frame), values.shape[1]))
        for name, values in train.targets.items()
        if name not in labels
    }
    return train, Rows(data.crops(size), {**labels, **unseen}, data.rows("val"), sets=data.of_set)


def _digest_of(model: str | None) -> dict[str, str] | None:
    """The name of a teacher and the digest of its network, for the recipe."""
    if model is None:
        return None
    checkpoint = load_checkpoint(paths.find_model(model))
    return {"name": checkpoint.name, "sha256": checkpoint.digest_of(KERAS_FILE)}


def _cosines(network: keras.Model, val: Rows, taps: Iterable[str], batch_size: int) -> dict[str, float]:
    """Mean cosine between student and teachers on the validation rows that teachers looked at."""
    predicted = network.predict(val.inputs[val.rows], batch_size=batch_size, verbose=0)
    means = {}
    for tap in taps:
        student, teacher = predicted[tap], val.targets[tap][val.rows]
        norms = np.linalg.norm(student, axis=1) * np.linalg.norm(teacher, axis=1)
        seen = teacher.any(axis=1)
        if seen.any():
            means[tap] = float(np.mean(((student * teacher).sum(axis=1) / np.maximum(norms, 1e-9))[seen]))
    return means
