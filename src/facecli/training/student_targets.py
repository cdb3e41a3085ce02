"""What a student is to reproduce of each picture: softened labels beside its teachers' features."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from facecli import paths
from facecli.labels import UTKFACE_HEADS
from facecli.models.checkpoint import KERAS_FILE, Checkpoint
from facecli.recipes import DistilRequest, FitOptions
from facecli.training import soft_labels
from facecli.training.engine import Rows
from facecli.training.prepare import PreparedData
from facecli.training.targets import build_targets
from facecli.training.teacher_model import are_faces, load_teacher, view_targets
from facecli.training.teachers import LOOK_MARGINS, projections, teacher_features, teacher_looks
from facecli.training.views import ViewMaker, build_views

SOFT_HEADS = (*UTKFACE_HEADS, "race_7")
"""Heads whose labels are softened: what teachers of faces may know."""


def frozen_targets(
    data: PreparedData, request: DistilRequest, folder: Path, options: FitOptions
) -> dict[str, np.ndarray]:
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
    labels: Mapping[str, np.ndarray],
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
) -> dict[str, np.ndarray]:
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
            np.savez_compressed(file, **kept)
    with np.load(store, allow_pickle=False) as kept:
        for head in set(kept.files) & set(labels):
            labels[head][rows] = kept[head]
    return labels


def _seen(data: PreparedData, labels: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation rows with a label of SOFT_HEADS, and further faces without one."""
    known = [labels[head].any(axis=1) for head in labels if head in SOFT_HEADS]
    labelled = np.any(known, axis=0)
    used = data.frame["split"].isin(["train", "val"]).to_numpy()
    faces = are_faces(data.frame["face"])
    return np.flatnonzero(labelled & used), np.flatnonzero(faces & ~labelled & used)


def _softened(
    data: PreparedData,
    request: DistilRequest,
    labels: Mapping[str, np.ndarray],
    rows: np.ndarray,
    folder: Path,
    options: FitOptions,
) -> dict[str, np.ndarray]:
    """What teachers say of those rows that are of the training split; the others are not looked at."""
    rows = _training(data, rows)
    return soft_labels.soften_labels(
        {head: values for head, values in labels.items() if head in SOFT_HEADS},
        teacher_looks(data, rows, request.teachers, request.trunk_weights),
        data.frame["group"].to_numpy(),
        rows,
        folder,
        options.seed,
        options.resume,
    )


def _training(data: PreparedData, rows: np.ndarray) -> np.ndarray:
    """Those of the rows that are of the training split."""
    return rows[(data.frame["split"].iloc[rows] == "train").to_numpy()]


def _key(data: PreparedData, request: DistilRequest, seed: int) -> str:
    """Digest of all that decides the softened labels."""
    asked = [data.digest, dict(data.extra), sorted(request.teachers), sorted(request.heads), seed]
    shares = [soft_labels.SOFT_SHARE, soft_labels.AGE_SHARE]
    return _digest([*asked, soft_labels.FOLDS, LOOK_MARGINS, *shares, asdict(soft_labels.TEACHER)])


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
