"""Losses and metrics of the heads. A row of zeros has no label and adds nothing."""

import keras
from keras import ops

EPSILON = 1e-7
L1_WEIGHT = 0.2
AGE_WEIGHT, CLASS_WEIGHT = 1.0, 2.0
LABEL_SMOOTHING = 0.05


class AgeLoss(keras.losses.Loss):
    """Cross-entropy to the soft label over years, plus 0.2 x the error in years of the expectation.

    An age that is known as a bin only (`targets.NO_AGE`) has no error in years.
    """

    def call(self, y_true, y_pred):
        soft, age = y_true[:, :-1], y_true[:, -1]
        cross_entropy = -ops.sum(soft * ops.log(ops.maximum(y_pred, EPSILON)), axis=-1)
        known = ops.sum(soft, axis=-1) * ops.cast(age >= 0, soft.dtype)
        return cross_entropy + L1_WEIGHT * known * ops.abs(expectation(y_pred) - age)


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


def head_loss(head: str) -> keras.losses.Loss:
    """The loss of a head by name."""
    return AgeLoss() if head == "age" else ClassLoss()


def head_metric(head: str) -> keras.metrics.Metric:
    """The metric of a head by name, called so that logs read `age_mae`, `gender_accuracy`."""
    return AgeMAE(name="mae") if head == "age" else Accuracy(name="accuracy")


def head_weight(head: str) -> float:
    """Weight of a head's loss in the sum."""
    return AGE_WEIGHT if head == "age" else CLASS_WEIGHT
