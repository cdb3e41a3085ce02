"""What teachers say of training rows, from which a student learns more than labels tell.

Labels of faces are noisy, ages most of all. Mixing them with what the genuine FaceNet's heads say of rows
that they have not learnt tells a student which confusions are natural (Hinton et al. 2015). Out of fold,
because a teacher is sure of what it has learnt by heart.

A trained model teaches by what it says of augmented pictures: a teacher that looks at what its student sees,
many times and each time anew, teaches more than stored answers for the untouched picture (Beyer et al.,
"Knowledge distillation: a good teacher is patient and consistent", CVPR 2022). Views and answers lie on disk:
a teacher is slow, and an epoch that reads them costs what an epoch without a teacher costs.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from numpy.lib.format import open_memmap

from facecli.core.arrays import Array, Tensor
from facecli.core.attributes import HEAD_CLASSES, PRESENCE
from facecli.core.console import with_bar
from facecli.core.recipes import FitOptions
from facecli.models.checkpoint import Checkpoint, write_json
from facecli.models.inception_resnet_v1 import TAP_DIMS, TAPS
from facecli.models.networks import in_precision
from facecli.training.augment import RandomAffine, RandomColour
from facecli.training.engine import Rows, fit, fused_normalization
from facecli.training.epochs import reseed
from facecli.training.prepare import IN_BIN, NO_AGE
from facecli.training.save import load_network
from facecli.training.train import build_feature_heads

LEARNT_TAPS = ("block17", "embedding")
"""Of a FaceNet's taps, those that a student reproduces."""

log: logging.Logger = logging.getLogger(__name__)

FOLDS = 4
"""Each teacher learns from three quarters of the rows and speaks of the last one."""
TEACHER = FitOptions(epochs=7, batch_size=128, learning_rate=1e-3, weight_decay=0.05)
SOFT_SHARE = 0.5
"""Share of the teacher's word in the mixed label of a class."""
AGE_SHARE = 0.85
"""And of an age, which a student otherwise learns by heart: no face shows its very year."""


def soften_labels(
    targets: Mapping[str, Array],
    looks: Sequence[Array],
    groups: Array,
    rows: Array,
    folder: Path,
    seed: int,
    resume: bool = False,
) -> dict[str, Array]:
    """Mixes the labels of training rows with out-of-fold probabilities.

    Args:
        targets: head -> encoded labels of the whole table, see `targets.build_targets`.
        looks: of each teacher of a fold the features that it learns from, (n, d) with a row for each row
            of the table. The mean of several errs less than one (docs/recipe_history.md).
        groups: (n,) group of each row: duplicates lie in one fold.
        rows: the training rows.
        folder: for the epochs of the teachers.
        seed: deals out the folds.
        resume: take the teachers that an interrupted run of the same data left in `folder`.

    Returns:
        The targets with mixed rows. A missing label stays missing: where a set does not know a head, or
        must not teach it, a teacher that other sets have taught does not speak for it either.
    """
    draw = np.random.default_rng(seed).permutation(int(groups.max()) + 1)
    folds = draw[groups[rows]] % FOLDS
    said = {head: np.zeros((len(values), HEAD_CLASSES[head]), np.float32) for head, values in targets.items()}
    for fold in range(FOLDS):
        learnt, held = rows[folds != fold], rows[folds == fold]
        log.info("soft labels: teachers of fold %d of %d", fold + 1, FOLDS)
        for number, features in enumerate(looks):
            options = replace(TEACHER, seed=seed + fold + FOLDS * number, resume=resume)
            teacher = _teach(features, targets, learnt, held, options, folder / f"{fold}-{number}")
            for head, values in _answers(teacher, features[held]).items():
                said[head][held] += values / len(looks)
    mixed = {head: values.copy() for head, values in targets.items()}
    for head, values in mixed.items():
        values[rows] = mix(targets[head][rows], said[head][rows])
    return mixed


def _teach(
    features: Array,
    targets: Mapping[str, Array],
    learnt: Array,
    held: Array,
    options: FitOptions,
    folder: Path,
) -> keras.Model:
    keras.utils.set_random_seed(options.seed)
    teacher = build_feature_heads(features.shape[1], list(targets))
    fit(teacher, Rows(features, targets, learnt), Rows(features, targets, held), options, folder)
    return teacher


def _answers(teacher: keras.Model, features: Array) -> dict[str, Array]:
    return teacher.predict(features, batch_size=512, verbose=0) if len(features) else {}


def mix(labels: Array, probabilities: Array) -> Array:
    """Encoded label rows with a share of a teacher's probabilities; rows of zeros stay so.

    The share is SOFT_SHARE for classes and AGE_SHARE for ages, the year itself included. An age that
    is known as a bin becomes what the teacher says within the bin.
    """
    if labels.shape[1] > probabilities.shape[1]:
        return _mix_ages(labels, probabilities)
    known = labels.any(axis=1, keepdims=True)
    return (1 - SOFT_SHARE) * labels + SOFT_SHARE * known * probabilities


def _mix_ages(labels: Array, probabilities: Array) -> Array:
    classes = probabilities.shape[1]
    expected = probabilities @ np.arange(classes, dtype=probabilities.dtype)
    known = labels[:, :classes].any(axis=1, keepdims=True)
    said = known * np.concatenate([probabilities, expected[:, None]], axis=1)
    mixed = (1 - AGE_SHARE) * labels + AGE_SHARE * said
    binned = labels[:, -1] == IN_BIN
    # The little that is added keeps a bin that the teacher rules out.
    inside = (labels[binned, :classes] > 0) * (probabilities[binned] + 1e-4)
    mixed[binned, :classes] = inside / inside.sum(axis=1, keepdims=True)
    mixed[binned, -1] = NO_AGE
    return mixed


CHUNK_ROWS = 256
VIEW = "view"
_STATE = "state.json"


def load_teacher(checkpoint: Checkpoint, heads: Sequence[str]) -> keras.Model:
    """The network of a model folder with the outputs that a student learns from.

    Args:
        checkpoint: any model; of one on the genuine trunk the features are learnt, too.
        heads: those that the student has; the teacher may lack some.

    Returns:
        A model, not trainable, to a dict: heads -> probabilities, feature -> (n, d).

    Raises:
        CheckpointError: it is missing or damaged.
    """
    network = in_precision(load_network(checkpoint), keras.config.dtype_policy().name)
    outputs = {head: network.output[head] for head in heads if head in checkpoint.heads}
    names = {layer.name for layer in network.layers}
    if "taps" in names:
        features = _standardise(network)(network.get_layer("taps").output)
        starts = dict(zip(TAPS, accumulate((TAP_DIMS[tap] for tap in TAPS), initial=0), strict=False))
        outputs |= {tap: features[:, starts[tap] : starts[tap] + TAP_DIMS[tap]] for tap in LEARNT_TAPS}
    teacher = keras.Model(network.input, outputs, name="teacher")
    teacher.trainable = False
    return teacher


def view_targets(
    labels: Mapping[str, Array],
    answers: Mapping[str, Array],
    faces: Array,
    views: int = 1,
) -> dict[str, Array]:
    """Targets of views: the labels, mixed with what a teacher says of each view.

    A face without a label has the teacher's word alone, what is no face has no label but that.

    Args:
        labels: head -> (n, d) encoded labels, see `targets.build_targets`, perhaps softened.
        answers: output of the teacher -> (views x n, d).
        faces: (n,) bool.
        views: of each picture.

    Returns:
        The heads of `labels` and the teacher's features -> (views x n, d) float16.
    """
    faces = np.tile(faces, views)[:, None]
    targets = {name: values * faces for name, values in answers.items() if name not in HEAD_CLASSES}
    for head, encoded in labels.items():
        encoded = np.tile(encoded.astype(np.float16), (views, 1))
        targets[head] = _mixed(encoded, answers[head], faces) if head in answers else encoded
    return targets


def _mixed(labels: Array, probabilities: Array, faces: Array) -> Array:
    classes = probabilities.shape[1]
    known = labels[:, :classes].sum(axis=1, keepdims=True) > 0
    share = np.where(known, np.float16(SOFT_SHARE), np.float16(1)) * faces
    mixed = labels.copy()
    mixed[:, :classes] = (1 - share) * labels[:, :classes] + share * probabilities
    if labels.shape[1] > classes:
        mixed[(~known & faces)[:, 0], -1] = NO_AGE
    return mixed


def are_faces(presence: npt.ArrayLike) -> Array:
    """(n,) bool of a table's column `face`."""
    return np.asarray(presence) == PRESENCE.index("face")


def _standardise(network: keras.Model) -> keras.Model:
    """The part of the heads that standardises the features of the trunk."""
    parts = [layer for layer in network.layers if isinstance(layer, keras.Model)]
    return next(
        part.get_layer("standardised")
        for part in parts
        if any(layer.name == "standardised" for layer in part.layers)
    )


class Views(NamedTuple):
    """Several views of n pictures: view 0 of each, then view 1 of each, and so on.

    Attributes:
        crops: (views x n, h, w, 3) uint8 RGB.
        answers: output of the teacher -> (views x n, d) float16.
    """

    crops: Array
    answers: Mapping[str, Array]


class ViewMaker(keras.Model):
    """Crops -> one augmented view of each, and what the teacher says of it.

    Args:
        teacher: (n, s, s, 3) uint8 RGB -> dict of outputs; it sees the middle of each crop.
        image_size: (height, width) of the views, which show the whole crop.
        seed: see `reseed`.
    """

    teacher: Any
    image_size: tuple[int, int]

    def __init__(self, teacher: keras.Model, image_size: tuple[int, int], seed: int = 0) -> None:
        super().__init__(name="views")
        self.teacher, self.image_size = teacher, image_size
        self.steps: list[keras.layers.Layer] = [RandomAffine(seed=seed), RandomColour(seed=seed + 1)]

    def call(self, crops: Tensor, training: bool = False) -> dict[str, Tensor]:
        images = ops.cast(crops, "float32")
        for step in self.steps:
            images = step(images, training=True)
        side, whole = self.teacher.input.shape[1], crops.shape[1]
        edge = (whole - side) // 2
        seen = images[:, edge : edge + side, edge : edge + side]
        answers = self.teacher(_pixels(seen), training=False)
        view = ops.image.resize(images, self.image_size, antialias=True)
        return {
            VIEW: _pixels(view),
            **{name: ops.cast(values, "float16") for name, values in answers.items()},
        }


def build_views(maker: ViewMaker, crops: Array, count: int, seed: int, folder: Path) -> Views:
    """Makes `count` views of each crop, or takes those that an earlier run left in `folder`.

    Args:
        maker: makes them; at least as large as the teacher's pictures are its crops.
        crops: (n, s, s, 3) uint8 RGB.
        count: above 0.
        seed: together with the number of the view decides the augmentation.
        folder: of this recipe alone; an interrupted run goes on where it stopped.
    """
    asked = {"rows": len(crops), "views": count, "seed": seed, "image_size": list(maker.image_size)}
    with fused_normalization(maker.teacher):
        return _build(maker, crops, count, seed, folder, asked)


def _build(
    maker: ViewMaker, crops: Array, count: int, seed: int, folder: Path, asked: Mapping[str, object]
) -> Views:
    arrays, done = _open(maker, crops, count, folder, asked)
    starts = [(view, start) for view in range(count) for start in range(0, len(crops), CHUNK_ROWS)]
    log.info("a teacher looks at %d views of %d pictures", count, len(crops))
    for number in with_bar(range(done, len(starts)), "views"):
        view, start = starts[number]
        reseed(maker, seed, number)
        chunk = crops[start : start + CHUNK_ROWS]
        # Always the same shape: another one would be compiled anew.
        padded = np.concatenate([chunk, np.zeros((CHUNK_ROWS - len(chunk), *chunk.shape[1:]), np.uint8)])
        place = slice(view * len(crops) + start, view * len(crops) + start + len(chunk))
        for name, values in maker.predict_on_batch(padded).items():
            arrays[name][place] = values[: len(chunk)]
        if number % 50 == 49 or number + 1 == len(starts):
            write_json(folder / _STATE, {**asked, "done": number + 1})
    return Views(arrays.pop(VIEW), arrays)


def _open(
    maker: ViewMaker, crops: Array, count: int, folder: Path, asked: Mapping[str, object]
) -> tuple[dict[str, Array], int]:
    """The arrays on disk, and how many chunks of them hold something."""
    folder.mkdir(parents=True, exist_ok=True)
    state = json.loads((folder / _STATE).read_text("utf-8")) if (folder / _STATE).is_file() else {}
    done = state.pop("done", 0)
    if state == asked:
        return {path.stem: open_memmap(path, "r+") for path in folder.glob("*.npy")}, done
    shapes = maker.predict_on_batch(np.zeros((CHUNK_ROWS, *crops.shape[1:]), np.uint8))
    # The state goes first: it must never speak of arrays that are being made anew.
    for old in [folder / _STATE, *folder.glob("*.npy")]:
        old.unlink(missing_ok=True)
    return {
        name: open_memmap(folder / f"{name}.npy", "w+", values.dtype, (count * len(crops), *values.shape[1:]))
        for name, values in shapes.items()
    }, 0


def _pixels(images: Tensor) -> Tensor:
    return ops.cast(ops.round(ops.clip(images, 0.0, 255.0)), "uint8")
