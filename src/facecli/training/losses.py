"""Losses and metrics of the heads. A row of zeros has no label and adds nothing."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import keras
from keras import ops

from facecli.core.arrays import Tensor
from facecli.core.attributes import HEAD_CLASSES
from facecli.training.prepare import IN_BIN

EPSILON = 1e-7
L1_WEIGHT = 0.2
WITHIN_BIN = 0.1
CLASS_WEIGHT = 2.0
HEAD_WEIGHTS = {"age": 1.0, "race_7": 1.0}
"""Heads that weigh otherwise than CLASS_WEIGHT: `race_7` says once more what `race` says."""
NO_WEIGHTS: Mapping[str, float] = MappingProxyType({})
LABEL_SMOOTHING = 0.05


class AgeLoss(keras.losses.Loss):
    """What a distribution over years costs, by how the age is known (`prepare.build_targets`).

    * A year: cross-entropy to the soft label, plus 0.2 x the error in years of the expectation.
    * A bin: the negative logarithm of the probability of the whole bin, plus 0.2 x the years by which
      the expectation lies outside it. A tenth is cross-entropy to the shares within the bin, so that
      years between which no label decides are not left to chance.
    * A distribution alone (`targets.NO_AGE`): cross-entropy to it.
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        soft, age = y_true[:, :-1], y_true[:, -1]
        binned = ops.cast(age < IN_BIN + 0.5, soft.dtype)
        known = ops.sum(soft, axis=-1) * ops.cast(age >= 0, soft.dtype)
        cross_entropy = -ops.sum(soft * ops.log(ops.maximum(y_pred, EPSILON)), axis=-1)
        inside = ops.cast(soft > 0, soft.dtype)
        whole = -ops.log(ops.maximum(ops.sum(inside * y_pred, axis=-1), EPSILON))
        share = binned * (1 - WITHIN_BIN)
        years = known * ops.abs(expectation(y_pred) - age) + binned * years_outside(inside, y_pred)
        return share * whole + (1 - share) * cross_entropy + L1_WEIGHT * years


def years_outside(inside: Tensor, probabilities: Tensor) -> Tensor:
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

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        known = ops.sum(y_true, axis=-1, keepdims=True)
        smooth = (1 - LABEL_SMOOTHING) * y_true + LABEL_SMOOTHING * known / y_true.shape[-1]
        return -ops.sum(smooth * ops.log(ops.maximum(y_pred, EPSILON)), axis=-1)


class CosineDistance(keras.losses.Loss):
    """1 - cosine between the rows of a teacher's features and the student's, 0..2."""

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return 1 - ops.sum(ops.normalize(y_true, axis=-1) * ops.normalize(y_pred, axis=-1), axis=-1)


def expectation(probabilities: Tensor) -> Tensor:
    """(n, classes) distributions over 0..classes-1 years -> (n,) years."""
    return ops.matmul(probabilities, ops.arange(probabilities.shape[-1], dtype=probabilities.dtype))


class _MaskedMean(keras.metrics.Metric):
    """Mean of a per-row value over the rows that have a label."""

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        # PyTorch hands over arrays as labels and predictions that still want gradients.
        y_true, y_pred = (ops.stop_gradient(ops.convert_to_tensor(part)) for part in (y_true, y_pred))
        known, values = self.row_values(y_true, y_pred)
        self.total.assign_add(ops.sum(known * values))
        self.count.assign_add(ops.sum(known))

    def result(self) -> Tensor:
        return self.total / ops.maximum(self.count, 1.0)


class AgeMAE(_MaskedMean):
    """Mean absolute error of the expected age, years."""

    def row_values(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        known = ops.sum(y_true[:, :-1], axis=-1) * ops.cast(y_true[:, -1] >= 0, y_true.dtype)
        return known, ops.abs(expectation(y_pred) - y_true[:, -1])


class Accuracy(_MaskedMean):
    """Share of rows whose most probable class is the label's."""

    def row_values(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
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
