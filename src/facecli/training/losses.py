"""What heads are to say, their losses and metrics. A row of zeros has no label and adds nothing."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from facecli.core.attributes import (
    AGE_CLASSES,
    CLASS_NAMES,
    HEAD_CLASSES,
    MAX_AGE_YEARS,
    MISSING,
    ClassNames,
    label_column,
)

NO_AGE = -1.0
"""Last column of an encoded age of which a distribution is known, but no years."""
IN_BIN = -2.0
"""Last column of an encoded age that is known as a bin: the years with a share are inside."""
OPEN_BIN_YEARS = 10.0
"""How fast the shares of an open bin ("more than 70") fall: the mean age of people beyond its lower end,
less that end: the 1,147 of UTKFace are 79.9 years on average."""


class Columns(Protocol):
    """A table, or a mapping of names to arrays or lists."""

    def __getitem__(self, name: str, /) -> npt.ArrayLike: ...
    def __contains__(self, name: str, /) -> bool: ...


def build_targets(
    labels: Columns, heads: Sequence[str], classes: ClassNames = CLASS_NAMES
) -> dict[str, np.ndarray]:
    """Encodes the label columns of a table.

    Args:
        labels: anything with columns of `core.attributes.LABEL_COLUMNS`, -1 where a label is missing; a
            column that is not there is missing throughout. `age_low` and `age_high` bound an
            age that is known as a bin only.
        heads: the heads that are trained.
        classes: names of theirs.

    Returns:
        Head -> (n, classes) float32 one-hot rows; for age (n, classes + 1): a Gaussian over
        the years, then the age itself.
    """
    wanted = {"age_years", "age_low", "age_high", *map(label_column, heads)}
    columns = {name: np.asarray(labels[name], np.int64) for name in wanted if name in labels}
    count = len(columns["age_years"])
    targets = {}
    for head in heads:
        values = columns.get(label_column(head), np.full(count, MISSING))
        targets[head] = encode_classes(values, len(classes[head])) if head != "age" else encode_age(values)
    if "age" in targets and "age_low" in columns:
        bins = encode_age_bins(columns["age_low"], columns["age_high"])
        unknown = columns["age_years"] == MISSING
        targets["age"][unknown] = bins[unknown]
    return targets


def encode_classes(values: np.ndarray, classes: int) -> np.ndarray:
    """(n, classes) one-hot rows, zeros where the value is missing."""
    known = values != MISSING
    encoded = np.zeros((len(values), classes), np.float32)
    encoded[np.flatnonzero(known), values[known]] = 1.0
    return encoded


def encode_age(age_years: np.ndarray) -> np.ndarray:
    """(n, AGE_CLASSES + 1): soft label over years, and the age in the last column.

    The Gaussian (Gao et al., deep label distribution learning, TIP 2017) widens with age:
    a year decides how a baby looks and tells little at fifty. The last column keeps the age
    itself because the mean of a Gaussian that is cut at zero is not the age.
    """
    years = np.arange(AGE_CLASSES, dtype=np.float32)
    age = np.asarray(age_years, np.float32)[:, None]
    sigma = np.clip(0.6 + 0.05 * age, 0.6, 2.5)
    soft = np.exp(-0.5 * ((years - age) / sigma) ** 2)
    soft /= soft.sum(axis=1, keepdims=True)
    encoded = np.concatenate([soft, age], axis=1)
    encoded[age[:, 0] == MISSING] = 0.0
    return encoded.astype(np.float32)


def encode_age_bins(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(n, AGE_CLASSES + 1): a share of every year from low to high, and IN_BIN.

    What is learnt is the probability of the whole bin, see `training.losses.AgeLoss`; the shares are but what
    is likely within it when nothing else is known: equal, and falling in a bin that has no end. A
    teacher that has an opinion within the bin replaces them, see soft_labels. Rows of missing
    bounds are zeros.
    """
    years = np.arange(AGE_CLASSES)
    low, high = np.asarray(low)[:, None], np.asarray(high)[:, None]
    inside = (years >= low) & (years <= high) & (low != MISSING)
    falling = np.exp(-np.maximum(years - low, 0) / OPEN_BIN_YEARS)
    shares = inside * np.where(high == MAX_AGE_YEARS, falling, 1.0)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
    age = np.where(low != MISSING, IN_BIN, 0.0)
    return np.concatenate([shares, age], axis=1).astype(np.float32)


EPSILON = 1e-7
L1_WEIGHT = 0.2
WITHIN_BIN = 0.1
CLASS_WEIGHT = 2.0
HEAD_WEIGHTS = {"age": 1.0, "race_7": 1.0}
"""Heads that weigh otherwise than CLASS_WEIGHT: `race_7` says once more what `race` says."""
NO_WEIGHTS: Mapping[str, float] = MappingProxyType({})
LABEL_SMOOTHING = 0.05


class AgeLoss(keras.losses.Loss):
    """What a distribution over years costs, by how the age is known (`targets`).

    * A year: cross-entropy to the soft label, plus 0.2 x the error in years of the expectation.
    * A bin: the negative logarithm of the probability of the whole bin, plus 0.2 x the years by which
      the expectation lies outside it. A tenth is cross-entropy to the shares within the bin, so that
      years between which no label decides are not left to chance.
    * A distribution alone (`targets.NO_AGE`): cross-entropy to it.
    """

    def call(self, y_true, y_pred):
        soft, age = y_true[:, :-1], y_true[:, -1]
        binned = ops.cast(age < IN_BIN + 0.5, soft.dtype)
        known = ops.sum(soft, axis=-1) * ops.cast(age >= 0, soft.dtype)
        cross_entropy = -ops.sum(soft * ops.log(ops.maximum(y_pred, EPSILON)), axis=-1)
        inside = ops.cast(soft > 0, soft.dtype)
        whole = -ops.log(ops.maximum(ops.sum(inside * y_pred, axis=-1), EPSILON))
        share = binned * (1 - WITHIN_BIN)
        years = known * ops.abs(expectation(y_pred) - age) + binned * years_outside(inside, y_pred)
        return share * whole + (1 - share) * cross_entropy + L1_WEIGHT * years


def years_outside(inside, probabilities):
    """(n,) years between the expectation and a bin of consecutive years, 0 within it.

    Args:
        inside: (n, classes), 1 for years of the bin, else 0.
        probabilities: (n, classes).
    """
    expected = expectation(probabilities)
    low = ops.cast(ops.argmax(inside, axis=-1), expected.dtype)
    high = low + ops.sum(inside, axis=-1) - 1
    return ops.relu(low - expected) + ops.relu(expected - high)


class ClassLoss(keras.losses.Loss):
    """Cross-entropy to smoothed one-hot rows."""

    def call(self, y_true, y_pred):
        known = ops.sum(y_true, axis=-1, keepdims=True)
        smooth = (1 - LABEL_SMOOTHING) * y_true + LABEL_SMOOTHING * known / y_true.shape[-1]
        return -ops.sum(smooth * ops.log(ops.maximum(y_pred, EPSILON)), axis=-1)


class CosineDistance(keras.losses.Loss):
    """1 - cosine between the rows of a teacher's features and the student's, 0..2."""

    def call(self, y_true, y_pred):
        return 1 - ops.sum(ops.normalize(y_true, axis=-1) * ops.normalize(y_pred, axis=-1), axis=-1)


def expectation(probabilities):
    """(n, classes) distributions over 0..classes-1 years -> (n,) years."""
    return ops.matmul(probabilities, ops.arange(probabilities.shape[-1], dtype=probabilities.dtype))


class _MaskedMean(keras.metrics.Metric):
    """Mean of a per-row value over the rows that have a label."""

    def __init__(self, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        # PyTorch hands over arrays as labels and predictions that still want gradients.
        y_true, y_pred = (ops.stop_gradient(ops.convert_to_tensor(part)) for part in (y_true, y_pred))
        known, values = self.row_values(y_true, y_pred)
        self.total.assign_add(ops.sum(known * values))
        self.count.assign_add(ops.sum(known))

    def result(self):
        return self.total / ops.maximum(self.count, 1.0)


class AgeMAE(_MaskedMean):
    """Mean absolute error of the expected age, years."""

    def row_values(self, y_true, y_pred):
        known = ops.sum(y_true[:, :-1], axis=-1) * ops.cast(y_true[:, -1] >= 0, y_true.dtype)
        return known, ops.abs(expectation(y_pred) - y_true[:, -1])


class Accuracy(_MaskedMean):
    """Share of rows whose most probable class is the label's."""

    def row_values(self, y_true, y_pred):
        hit = ops.argmax(y_pred, axis=-1) == ops.argmax(y_true, axis=-1)
        return ops.sum(y_true, axis=-1), ops.cast(hit, "float32")


def output_loss(name: str, heads: Collection[str] = HEAD_CLASSES) -> keras.losses.Loss:
    """The loss of an output by name: one of the heads, or features that a teacher has."""
    if name == "age":
        return AgeLoss()
    return ClassLoss() if name in heads else CosineDistance()


def output_weight(
    name: str,
    feature_weight: float,
    head_weights: Mapping[str, float] = NO_WEIGHTS,
    heads: Collection[str] = HEAD_CLASSES,
) -> float:
    """Weight of an output's loss in the sum; that of features is asked for, those of heads may be."""
    if name in head_weights:
        return head_weights[name]
    if name not in heads:
        return feature_weight
    return HEAD_WEIGHTS.get(name, CLASS_WEIGHT)


def head_metric(head: str) -> keras.metrics.Metric:
    """The metric of a head by name, called so that logs read `age_mae`, `gender_accuracy`."""
    return AgeMAE(name="mae") if head == "age" else Accuracy(name="accuracy")
