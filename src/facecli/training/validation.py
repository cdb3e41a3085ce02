"""The validation rows after every epoch, each data set by itself: the mean over sets chooses the epoch."""

import logging
from collections.abc import Mapping

import keras
import numpy as np

from facecli.labels import AGE_CLASSES, HEAD_CLASSES, MISSING
from facecli.training.figures import AgeFigures, ClassFigures, age_figures, class_figures, skewed
from facecli.training.losses import output_loss, output_weight
from facecli.training.targets import IN_BIN

log = logging.getLogger(__name__)


class SetValidation(keras.callbacks.Callback):
    """After each epoch adds what the validation rows say to its logs.

    `val_SET_gender_accuracy` and the like for each set when there are several, and `val_gender_accuracy`,
    the mean over the sets that have such labels, which chooses the epoch. `val_loss` is over all rows.
    """

    def __init__(
        self, inputs: np.ndarray, targets: Mapping[str, np.ndarray], sets: np.ndarray, batch_size: int
    ) -> None:
        super().__init__()
        self.inputs, self.targets, self.sets, self.batch_size = inputs, targets, sets, batch_size
        self.figures: dict[str, dict[str, ClassFigures | AgeFigures]] = {}

    def on_epoch_end(self, epoch, logs=None):
        if logs is None or not len(self.inputs):
            return
        predicted = self.model.network.predict(self.inputs, batch_size=self.batch_size, verbose=0)
        self.figures = {
            name: encoded_figures(self._part(self.targets, name), self._part(predicted, name))
            for name in dict.fromkeys(self.sets.tolist())
        }
        logs.update(epoch_logs(self.figures))
        logs["val_loss"] = self._loss(predicted)

    def on_train_end(self, logs=None):
        for name, figures in self.figures.items():
            for sentence in skewed(figures, name or "validation"):
                log.warning("%s", sentence)

    def _part(self, values: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
        rows = self.sets == name
        return {output: array[rows] for output, array in values.items()}

    def _loss(self, predicted: Mapping[str, np.ndarray]) -> float:
        weight = self.model.feature_weight
        parts = [
            output_weight(name, weight)
            * float(output_loss(name)(np.asarray(self.targets[name], np.float32), values))
            for name, values in predicted.items()
        ]
        return sum(parts)


def encoded_figures(
    targets: Mapping[str, np.ndarray], predicted: Mapping[str, np.ndarray]
) -> dict[str, ClassFigures | AgeFigures]:
    """Head -> figures of labels as `targets.build_targets` encodes them; heads without a label have none."""
    found: dict[str, ClassFigures | AgeFigures] = {}
    for head in HEAD_CLASSES:
        if head not in targets or head not in predicted:
            continue
        encoded = targets[head]
        row: ClassFigures | AgeFigures | None
        if head == "age":
            row = age_figures(*_decoded_ages(encoded), predicted[head])
        else:
            labels = np.where(encoded.any(axis=1), encoded.argmax(axis=1), MISSING)
            row = class_figures(head, labels, predicted[head])
        if row is not None:
            found[head] = row
    return found


def _decoded_ages(encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shares, last = encoded[:, :AGE_CLASSES], encoded[:, -1]
    exact, binned = shares.any(axis=1) & (last >= 0), last == IN_BIN
    low = (shares > 0).argmax(axis=1)
    high = AGE_CLASSES - 1 - (shares > 0)[:, ::-1].argmax(axis=1)
    return np.where(exact, last, MISSING), np.where(binned, low, MISSING), np.where(binned, high, MISSING)


def epoch_logs(figures: Mapping[str, Mapping[str, ClassFigures | AgeFigures]]) -> dict[str, float]:
    """Flat numbers of an epoch: those of each set, if there are several, and their means."""
    found = {name: _numbers(rows) for name, rows in figures.items()}
    logs: dict[str, float] = {}
    means: dict[str, list[float]] = {}
    for name, numbers in found.items():
        for key, value in numbers.items():
            means.setdefault(key, []).append(value)
            if len(found) > 1:
                logs[f"val_{name}_{key}"] = value
    return logs | {f"val_{key}": float(np.mean(values)) for key, values in means.items()}


def _numbers(rows: Mapping[str, ClassFigures | AgeFigures]) -> dict[str, float]:
    numbers = {}
    for head, row in rows.items():
        if isinstance(row, AgeFigures):
            known = {"age_mae": row.mae, "age_in_bin": row.in_bin, "age_outside": row.outside}
            numbers.update({key: value for key, value in known.items() if value is not None})
        else:
            numbers[f"{head}_accuracy"] = row.accuracy
            if head == "gender":
                numbers.update({f"gender_{name}": share for name, share in row.by_class.items()})
    return numbers
