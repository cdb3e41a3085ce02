"""Distillation: a compact backbone learns what its teachers see, beside softened labels.

The student is pulled towards its teachers' embedding and middle features (cosine distance;
Romero et al. 2015) and learns the labels beside them, softened by what heads on the teachers
say. The teachers are frozen networks that looked at each picture once, or a trained model that
looks at every augmented view (`views`). Only training rows are used: the teachers' view of a
test picture is never seen.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from facecli.core import paths
from facecli.core.arrays import Array
from facecli.core.attributes import HEAD_CLASSES, UTKFACE_HEADS
from facecli.core.recipes import DistilRequest, FitOptions
from facecli.data.statistics import check_trainable
from facecli.models.checkpoint import KERAS_FILE, Checkpoint, load_checkpoint
from facecli.models.networks import build_model, default_size
from facecli.training import soft_labels
from facecli.training.augment import build_augmentation
from facecli.training.engine import Rows, fit
from facecli.training.prepare import PreparedData, build_targets
from facecli.training.save import Recipe, earlier_stages, load_embedding, save_model
from facecli.training.soft_labels import ViewMaker, are_faces, build_views, load_teacher, view_targets
from facecli.training.teachers import LOOK_MARGINS, projections, teacher_features, teacher_looks

SOFT_HEADS = (*UTKFACE_HEADS, "race_7")
"""Heads whose labels are softened: what teachers of faces may know."""

VIEW_STRENGTH = 0.35
"""Of the augmentation of a view, which was augmented before its teacher saw it."""


def frozen_targets(
    data: PreparedData, request: DistilRequest, folder: Path, options: FitOptions
) -> dict[str, Array]:
    """Labels, softened, and the features of frozen teachers: output -> a row for each of the table.

    Faces without such labels have the features alone; what is no face has none of this. Only training
    rows are softened: an epoch is judged by labels.
    """
    labels = build_targets(data.frame, request.heads)
    rows, unlabelled = _seen(data, labels)
    found = teacher_features(data, rows, request.teachers, request.trunk_weights, unlabelled)
    soft = _softened(data, request, labels, rows, folder, options)
    return {**labels, **soft, **{tap: found[tap] for tap in projections(request.teachers)}}


def view_rows(
    data: PreparedData,
    checkpoint: Checkpoint,
    views: int,
    labels: Mapping[str, Array],
    image_size: tuple[int, int],
    seed: int,
) -> Rows:
    """Views of all training rows, with labels and what a trained model says of each view.

    Args:
        labels: head -> encoded labels of the whole table, see `softened_labels`.
        views: of each picture.
        image_size: (height, width) of the views, which are kept in the cache folder.
    """
    teacher = load_teacher(checkpoint, list(labels))
    rows = data.rows("train")
    # The teacher sees the middle of a crop, as tight as its own were.
    margin = checkpoint.crop_of("none")[0]
    side = round(teacher.input.shape[1] / (1 + 2 * min(margin, 0.0)) / 2) * 2
    taught = [checkpoint.digest_of(KERAS_FILE), sorted(labels)]
    folder = (
        paths.cache_dir()
        / "views"
        / _digest([data.digest, dict(data.extra), *taught, image_size, views, seed])
    )
    crops = data.crops((side, side))[rows]
    made = build_views(ViewMaker(teacher, image_size, seed), crops, views, seed, folder)
    faces = are_faces(data.frame["face"].iloc[rows])
    targets = view_targets(
        {head: values[rows] for head, values in labels.items()}, made.answers, faces, views
    )
    return Rows(made.crops, targets, np.arange(len(rows)), sets=data.of_set[rows], views=views)


def softened_labels(
    data: PreparedData, request: DistilRequest, folder: Path, options: FitOptions
) -> dict[str, Array]:
    """Labels alone, softened by frozen teachers if there are any; kept in the cache folder.

    Returns:
        Head -> encoded labels, a row for each of the table.
    """
    labels = build_targets(data.frame, request.heads)
    if not request.teachers:
        return labels
    store = paths.cache_dir() / "soft_labels" / f"{_key(data, request, options.seed)}.npz"
    rows, _ = _seen(data, labels)
    if not store.is_file():
        soft = _softened(data, request, labels, rows, folder, options)
        with paths.replacing(store) as temporary, open(temporary, "wb") as file:
            kept = {head: values[rows].astype(np.float16) for head, values in soft.items()}
            # The stub takes every keyword for `allow_pickle`.
            np.savez_compressed(file, **kept)  # type: ignore[arg-type]
    with np.load(store, allow_pickle=False) as kept:
        for head in set(kept.files) & set(labels):
            labels[head][rows] = kept[head]
    return labels


def _seen(data: PreparedData, labels: Mapping[str, Array]) -> tuple[Array, Array]:
    """Training and validation rows with a label of SOFT_HEADS, and further faces without one."""
    known = [labels[head].any(axis=1) for head in labels if head in SOFT_HEADS]
    labelled = np.any(known, axis=0)
    used = data.frame["split"].isin(["train", "val"]).to_numpy()
    faces = are_faces(data.frame["face"])
    return np.flatnonzero(labelled & used), np.flatnonzero(faces & ~labelled & used)


def _softened(
    data: PreparedData,
    request: DistilRequest,
    labels: Mapping[str, Array],
    rows: Array,
    folder: Path,
    options: FitOptions,
) -> dict[str, Array]:
    """What teachers say of those rows that are of the training split; the others are not looked at."""
    rows = _training(data, rows)
    return soft_labels.soften_labels(
        {head: values for head, values in labels.items() if head in SOFT_HEADS},
        teacher_looks(data, rows, request.teachers, request.trunk_weights, looks=request.looks),
        data.frame["group"].to_numpy(),
        rows,
        folder,
        options.seed,
        options.resume,
    )


def _training(data: PreparedData, rows: Array) -> Array:
    """Those of the rows that are of the training split."""
    return rows[(data.frame["split"].iloc[rows] == "train").to_numpy()]


def _key(data: PreparedData, request: DistilRequest, seed: int) -> str:
    """Digest of all that decides the softened labels."""
    asked = [data.digest, dict(data.extra), sorted(request.teachers), sorted(request.heads), seed]
    shares = [soft_labels.SOFT_SHARE, soft_labels.AGE_SHARE]
    return _digest(
        [*asked, soft_labels.FOLDS, LOOK_MARGINS[: request.looks], *shares, asdict(soft_labels.TEACHER)]
    )


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


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
