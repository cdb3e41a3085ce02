"""What the genuine FaceNet's heads say of training rows that they have not learnt.

Labels of faces are noisy, ages most of all. Mixing them with a teacher's out-of-fold
probabilities tells a student which confusions are natural (Hinton et al. 2015). Out of fold,
because a teacher is sure of what it has learnt by heart.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from facecli.core.attributes import HEAD_CLASSES
from facecli.core.recipes import FitOptions
from facecli.training.engine import Rows, fit
from facecli.training.targets import IN_BIN, NO_AGE
from facecli.training.train import build_feature_heads

log = logging.getLogger(__name__)

FOLDS = 4
"""Each teacher learns from three quarters of the rows and speaks of the last one."""
TEACHER = FitOptions(epochs=7, batch_size=128, learning_rate=1e-3, weight_decay=0.05)
SOFT_SHARE = 0.5
"""Share of the teacher's word in the mixed label of a class."""
AGE_SHARE = 0.85
"""And of an age, which a student otherwise learns by heart: no face shows its very year."""


def soften_labels(
    targets: Mapping[str, np.ndarray],
    looks: Sequence[np.ndarray],
    groups: np.ndarray,
    rows: np.ndarray,
    folder: Path,
    seed: int,
    resume: bool = False,
) -> dict[str, np.ndarray]:
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
    features: np.ndarray,
    targets: Mapping[str, np.ndarray],
    learnt: np.ndarray,
    held: np.ndarray,
    options: FitOptions,
    folder: Path,
) -> keras.Model:
    keras.utils.set_random_seed(options.seed)
    teacher = build_feature_heads(features.shape[1], list(targets))
    fit(teacher, Rows(features, targets, learnt), Rows(features, targets, held), options, folder)
    return teacher


def _answers(teacher: keras.Model, features: np.ndarray) -> dict[str, np.ndarray]:
    return teacher.predict(features, batch_size=512, verbose=0) if len(features) else {}


def mix(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Encoded label rows with a share of a teacher's probabilities; rows of zeros stay so.

    The share is SOFT_SHARE for classes and AGE_SHARE for ages, the year itself included. An age that
    is known as a bin becomes what the teacher says within the bin.
    """
    if labels.shape[1] > probabilities.shape[1]:
        return _mix_ages(labels, probabilities)
    known = labels.any(axis=1, keepdims=True)
    return (1 - SOFT_SHARE) * labels + SOFT_SHARE * known * probabilities


def _mix_ages(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
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
