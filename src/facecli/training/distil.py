"""Distillation: a compact backbone learns from random weights what FaceNet sees.

The student is pulled towards the teacher's embedding and towards its middle features (cosine
distance; Hinton et al. 2015, Romero et al. 2015) and learns the labels beside it. Only
training rows are used: the teacher's view of a test picture is never seen.
"""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from facecli.models.build import build_backbone, copy_weights
from facecli.models.heads import attach_heads
from facecli.training.augment import build_augmentation
from facecli.training.engine import FitOptions, Rows, fit
from facecli.training.features import facenet_features
from facecli.training.prepare import PreparedData
from facecli.training.targets import build_targets

TEACHER_TAPS = {"embedding": 512, "block17": 896}
"""Features of the teacher that the student reproduces, and their sizes."""
HEADS = ("age", "gender", "race")


@dataclass(frozen=True)
class Distilled:
    """The student (float32), its history and the cosine to the teacher on validation rows."""

    network: keras.Model
    history: list[dict[str, float]]
    val_cosine: dict[str, float]


def distil(
    data: PreparedData,
    options: FitOptions,
    folder: Path,
    backbone: str = "compact",
    image_size: tuple[int, int] | None = None,
    weights: Path | None = None,
    initial: keras.Model | None = None,
) -> Distilled:
    """Trains a student of FaceNet.

    Args:
        data: prepared data; its "train" rows are learnt, its "val" rows choose the epoch.
        options: see FitOptions.
        folder: where the epochs are kept.
        backbone: name of the student's backbone.
        image_size: of the crops, (height, width); the backbone's own by default.
        weights: FaceNet weight file, else the weights folder is searched.
        initial: a student to go on from, perhaps of another image size.

    Raises:
        WeightsError: the teacher's weights are missing.
    """
    targets = {**build_targets(data.frame, HEADS), **teacher_targets(data, weights)}
    # Seeded here: everything before it must not shift the initial weights.
    keras.utils.set_random_seed(options.seed)
    network = build_student(backbone, image_size)
    if initial is not None:
        copy_weights(initial, network)
    crops = data.crops(network.input.shape[1:3])
    augmentation = build_augmentation(network.input.shape[1:3], options.degraded_share, options.seed)
    train, val = (Rows(crops, targets, data.rows(split)) for split in ("train", "val"))
    history = fit(network, train, val, options, folder, augmentation)
    return Distilled(network, history, _cosines(network, val, options.batch_size))


def build_student(backbone: str, image_size: tuple[int, int] | None = None) -> keras.Model:
    """A backbone with heads and one linear output for each of the teacher's features."""
    return attach_heads(build_backbone(backbone, image_size), HEADS, projections=TEACHER_TAPS)


def teacher_targets(data: PreparedData, weights: Path | None = None) -> dict[str, np.ndarray]:
    """Tap -> (n, d) float32 for training and validation rows, zeros for all others.

    Middle features are standardised over the training rows: they are not centred, and the
    cosine of two faces would be near 1 whatever they look like.
    """
    train = data.rows("train")
    rows = np.concatenate([train, data.rows("val")])
    frame = data.frame.iloc[rows]
    files = [data.folder / file for file in frame["file"]]
    found = facenet_features(files, frame["sha256"].tolist(), weights, tuple(TEACHER_TAPS))
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
