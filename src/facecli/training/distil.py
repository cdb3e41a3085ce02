"""Distillation: a compact backbone learns from random weights what FaceNet sees.

The student is pulled towards the teacher's embedding and towards its middle features (cosine
distance; Romero et al. 2015) and learns the labels beside it, softened by what heads on the
teacher say. Only
training rows are used: the teacher's view of a test picture is never seen.
"""

import time
from pathlib import Path

import keras
import numpy as np

from facecli import paths
from facecli.data.checks import check_trainable
from facecli.models.build import build_backbone
from facecli.models.checkpoint import Checkpoint
from facecli.models.heads import attach_heads
from facecli.recipes import FitOptions
from facecli.training.augment import build_augmentation
from facecli.training.engine import Rows, fit
from facecli.training.features import facenet_features
from facecli.training.prepare import PreparedData
from facecli.training.save import Recipe, save_model
from facecli.training.soft_labels import soften_labels
from facecli.training.start import load_embedding
from facecli.training.targets import build_targets

TEACHER_TAPS = {"embedding": 512, "block17": 896}
"""Features of the teacher that the student reproduces, and their sizes."""
HEADS = ("age", "gender", "race")


def distil(
    data: PreparedData,
    options: FitOptions,
    name: str = "facenet_embedding",
    backbone: str = "compact",
    image_size: int | None = None,
    weights: Path | None = None,
    initial: str | None = None,
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
        command: what was typed, for the recipe.

    Raises:
        WeightsError: the teacher's weights are missing.
        CheckpointError: `initial` is missing or of another shape.
    """
    started = time.monotonic()
    check_trainable(data.frame, HEADS)
    folder = paths.saved_model_dir() / name
    labels, teacher = build_targets(data.frame, HEADS), teacher_features(data, weights)
    labels = soften_labels(
        labels,
        np.concatenate(list(teacher.values()), axis=1),
        data.frame["group"].to_numpy(),
        data.rows("train"),
        folder / "epochs-teacher",
        options.seed,
    )
    targets = {**labels, **{tap: teacher[tap] for tap in TEACHER_TAPS}}
    # Seeded here: everything before it must not shift the initial weights.
    keras.utils.set_random_seed(options.seed)
    network = build_student(backbone, (image_size, image_size) if image_size else None)
    if initial is not None:
        load_embedding(network, paths.find_model(initial))
    size = network.input.shape[1:3]
    crops, augmentation = data.crops(size), build_augmentation(size, options.degraded_share, options.seed)
    train, val = (Rows(crops, targets, data.rows(split)) for split in ("train", "val"))
    epochs = folder / f"epochs-{size[0]}"
    history = fit(network, train, val, options, epochs, augmentation)
    recipe = Recipe(
        name=name,
        model_type="facenet",
        backbone=backbone,
        heads=HEADS,
        chip_margin=0.0,
        seed=options.seed,
        split_digest=data.digest,
        rebalance="none",
        options=options,
        command=command,
        duration_s=round(time.monotonic() - started, 1),
        starting_point=True,
        extra={"val_cosine": _cosines(network, val, options.batch_size), "initial": initial},
    )
    return save_model(network, recipe, history, folder)


def build_student(backbone: str, image_size: tuple[int, int] | None = None) -> keras.Model:
    """A backbone with heads and one linear output for each of the teacher's features."""
    return attach_heads(build_backbone(backbone, image_size), HEADS, projections=TEACHER_TAPS)


def teacher_features(data: PreparedData, weights: Path | None = None) -> dict[str, np.ndarray]:
    """Tap of the teacher -> (n, d) float32 for training and validation rows, zeros for all others.

    Middle features are standardised over the training rows: they are not centred, and the
    cosine of two faces would be near 1 whatever they look like.
    """
    train = data.rows("train")
    rows = np.concatenate([train, data.rows("val")])
    frame = data.frame.iloc[rows]
    files = [data.folder / file for file in frame["file"]]
    found = facenet_features(files, frame["sha256"].tolist(), weights)
    targets = {}
    for tap, values in found.items():
        if tap != "embedding":
            known = values[: len(train)]
            values = (values - known.mean(axis=0)) / (known.std(axis=0) + 1e-6)
        targets[tap] = np.zeros((len(data.frame), values.shape[1]), np.float32)
        targets[tap][rows] = values
    return targets


def _cosines(network: keras.Model, val: Rows, batch_size: int) -> dict[str, float]:
    predicted = network.predict(val.inputs[val.rows], batch_size=batch_size, verbose=0)
    means = {}
    for tap in TEACHER_TAPS:
        student, teacher = predicted[tap], val.targets[tap][val.rows]
        norms = np.linalg.norm(student, axis=1) * np.linalg.norm(teacher, axis=1)
        means[tap] = float(np.mean((student * teacher).sum(axis=1) / np.maximum(norms, 1e-9)))
    return means
