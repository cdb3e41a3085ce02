"""Distillation: a compact backbone learns from random weights what FaceNet sees.

The student is pulled towards its teachers' embedding and middle features (cosine distance;
Romero et al. 2015) and learns the labels beside them, softened by what heads on the teachers
say. Only training rows are used: the teachers' view of a test picture is never seen.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from facecli import paths
from facecli.data.checks import check_trainable
from facecli.labels import PRESENCE, UTKFACE_HEADS
from facecli.models.build import build_backbone
from facecli.models.checkpoint import Checkpoint
from facecli.models.heads import attach_heads
from facecli.recipes import FitOptions
from facecli.training.augment import build_augmentation
from facecli.training.engine import Rows, fit
from facecli.training.prepare import PreparedData
from facecli.training.save import Recipe, save_model
from facecli.training.soft_labels import soften_labels
from facecli.training.start import earlier_stages, load_embedding
from facecli.training.targets import build_targets
from facecli.training.teachers import projections, teacher_features

MOST_UNLABELLED = 6000
"""Faces without a UTKFace label that a quick teacher looks at, drawn by seed: two minutes here."""


def distil(
    data: PreparedData,
    options: FitOptions,
    name: str = "facenet_embedding",
    backbone: str = "compact",
    image_size: int | None = None,
    weights: Path | None = None,
    initial: str | None = None,
    teachers: Sequence[str] = ("facenet",),
    heads: Sequence[str] = UTKFACE_HEADS,
    command: str = "",
) -> Checkpoint:
    """Trains a student of FaceNet and writes `saved_model/<name>/`.

    Args:
        data: prepared data; its "train" rows are learnt, its "val" rows choose the epoch.
        options: see FitOptions.
        name: folder of the student.
        backbone: name of the student's backbone.
        image_size: side of the crops; the backbone's own by default.
        weights: FaceNet weight file, else the weights folder is searched.
        initial: name or folder of a student to go on from, perhaps of another image size.
        teachers: keys of `teachers.TEACHERS`; all of them together soften the labels.
        heads: what the student is asked beside the features.
        command: what was typed, for the recipe.

    Raises:
        WeightsError: the teacher's weights are missing.
        CheckpointError: `initial` is missing or of another shape.
    """
    started = time.monotonic()
    check_trainable(data.frame, heads)
    folder = paths.saved_model_dir() / name
    taps = projections(teachers)
    targets = _targets(data, teachers, heads, weights, folder / "epochs-teacher", options)
    # Seeded here: everything before it must not shift the initial weights.
    keras.utils.set_random_seed(options.seed)
    network = build_student(backbone, heads, taps, (image_size, image_size) if image_size else None)
    if initial is not None:
        load_embedding(network, paths.find_model(initial))
    size = network.input.shape[1:3]
    crops, augmentation = data.crops(size), build_augmentation(size, options.degraded_share, options.seed)
    train, val = (
        Rows(crops, targets, data.rows(split), extra_from=data.first_rows) for split in ("train", "val")
    )
    epochs = folder / f"epochs-{size[0]}"
    history = fit(network, train, val, options, epochs, augmentation)
    recipe = Recipe(
        name=name,
        model_type="facenet",
        backbone=backbone,
        heads=heads,
        chip_margin=0.0,
        seed=options.seed,
        split_digest=data.digest,
        rebalance="none",
        options=options,
        command=command,
        duration_s=round(time.monotonic() - started, 1),
        starting_point=True,
        extra={
            "val_cosine": _cosines(network, val, taps, options.batch_size),
            "initial": initial,
            "earlier_stages": earlier_stages(initial),
            "teachers": list(teachers),
            "extra_data": dict(data.extra),
        },
    )
    return save_model(network, recipe, history, folder)


def build_student(
    backbone: str,
    heads: Sequence[str],
    taps: Mapping[str, int],
    image_size: tuple[int, int] | None = None,
) -> keras.Model:
    """A backbone with heads and one linear output for each of the teachers' features."""
    return attach_heads(build_backbone(backbone, image_size), heads, projections=taps)


def _targets(
    data: PreparedData,
    teachers: Sequence[str],
    heads: Sequence[str],
    weights: Path | None,
    folder: Path,
    options: FitOptions,
) -> dict[str, np.ndarray]:
    """Labels, softened, and the features.

    Faces without a UTKFace label have the features of quick teachers only, other pictures none.
    """
    labels = build_targets(data.frame, heads)
    softened = [head for head in heads if head in UTKFACE_HEADS]
    labelled = np.any([labels[head].any(axis=1) for head in softened], axis=0)
    used = data.frame["split"].isin(["train", "val"]).to_numpy()
    faces = (data.frame["face"] == PRESENCE.index("face")).to_numpy()
    rows, unlabelled = np.flatnonzero(labelled & used), np.flatnonzero(faces & ~labelled & used)
    unlabelled = np.random.default_rng(options.seed).permutation(unlabelled)[:MOST_UNLABELLED]
    found = teacher_features(data, rows, teachers, weights, unlabelled)
    learnt = rows[(data.frame["split"].iloc[rows] == "train").to_numpy()]
    soft = soften_labels(
        {head: labels[head] for head in softened},
        np.concatenate(list(found.values()), axis=1),
        data.frame["group"].to_numpy(),
        learnt,
        folder,
        options.seed,
        options.resume,
    )
    return {**labels, **soft, **{tap: found[tap] for tap in projections(teachers)}}


def _cosines(network: keras.Model, val: Rows, taps: Iterable[str], batch_size: int) -> dict[str, float]:
    """Mean cosine between student and teachers on the validation rows that teachers looked at."""
    predicted = network.predict(val.inputs[val.rows], batch_size=batch_size, verbose=0)
    means = {}
    for tap in taps:
        student, teacher = predicted[tap], val.targets[tap][val.rows]
        norms = np.linalg.norm(student, axis=1) * np.linalg.norm(teacher, axis=1)
        seen = teacher.any(axis=1)
        means[tap] = float(np.mean(((student * teacher).sum(axis=1) / np.maximum(norms, 1e-9))[seen]))
    return means
