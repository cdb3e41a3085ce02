"""How good a network is on each data set, asked after every epoch and by `facecli evaluate`.

Sets are measured apart, because one number over all of them hides what a model has learnt of one set
only: that a kind of picture means a class. So there is, for each set and head, the accuracy of each
class, and by how much classes are named oftener than they occur.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import keras
import numpy as np

from facecli.labels import AGE_CLASSES, CLASS_NAMES, HEAD_CLASSES, MISSING
from facecli.models.readout import expected_age
from facecli.training.losses import output_loss, output_weight
from facecli.training.targets import IN_BIN

log = logging.getLogger(__name__)

SKEW = 0.03
"""Predicted minus true share of a class beyond which a set is warned about."""


@dataclass(frozen=True)
class ClassFigures:
    """A class head on the rows of one set whose label is known.

    Attributes:
        accuracy: share of right answers, in [0, 1].
        by_class: class -> share of its faces that are recognised; classes that occur.
        skew: class -> share of the answers minus share of the labels.
    """

    count: int
    accuracy: float
    by_class: Mapping[str, float] = field(default_factory=dict)
    skew: Mapping[str, float] = field(default_factory=dict)

    @property
    def worst_skew(self) -> tuple[str, float]:
        """The class that is most over- or understated, and by how much."""
        name = max(self.skew, key=lambda key: abs(self.skew[key]))
        return name, self.skew[name]


@dataclass(frozen=True)
class AgeFigures:
    """The age head on one set: rows whose year is known, and rows of which a bin is known.

    Attributes:
        mae: years; None without known years.
        in_bin: share of expectations that round to a year of their bin; None without bins.
        outside: mean years outside the bin, 0 for those inside; None without bins.
    """

    count: int
    mae: float | None
    in_bin: float | None
    outside: float | None


def class_figures(head: str, labels: np.ndarray, probabilities: np.ndarray) -> ClassFigures | None:
    """Figures of (n,) class ids, -1 where missing, and (n, classes); None when no label is known."""
    known = labels != MISSING
    if not known.any():
        return None
    true, said = labels[known], probabilities[known].argmax(axis=1)
    names = CLASS_NAMES[head]
    shares = np.bincount(said, minlength=len(names)) - np.bincount(true, minlength=len(names))
    return ClassFigures(
        count=len(true),
        accuracy=float((said == true).mean()),
        by_class={names[index]: float((said[true == index] == index).mean()) for index in np.unique(true)},
        skew={name: float(share) / len(true) for name, share in zip(names, shares, strict=True)},
    )


def age_figures(
    age_years: np.ndarray, low: np.ndarray, high: np.ndarray, probabilities: np.ndarray
) -> AgeFigures | None:
    """Figures of the expected age.

    Args:
        age_years: (n,), -1 where the year is not known.
        low, high: (n,) youngest and oldest age of a bin, -1 where there is none.
        probabilities: (n, 117).

    Returns:
        None when no age is known in any way.
    """
    expected = expected_age(probabilities)
    exact = age_years != MISSING
    binned = ~exact & (low != MISSING)
    if not (exact | binned).any():
        return None
    beyond = np.maximum(np.maximum(low - expected, expected - high), 0)[binned]
    return AgeFigures(
        count=int((exact | binned).sum()),
        mae=float(np.abs(expected - age_years)[exact].mean()) if exact.any() else None,
        # An age of 29 is said of everybody between 28.5 and 29.5.
        in_bin=float((beyond <= 0.5).mean()) if binned.any() else None,
        outside=float(beyond.mean()) if binned.any() else None,
    )


def skewed(figures: Mapping[str, ClassFigures | AgeFigures], name: str) -> list[str]:
    """A sentence for each head of a set that names a class much oftener, or less often, than it occurs."""
    told = []
    for head, row in figures.items():
        if isinstance(row, ClassFigures) and abs(row.worst_skew[1]) > SKEW:
            label, skew = row.worst_skew
            more = "more" if skew > 0 else "less"
            told.append(
                f"{name}: {head} '{label}' is said {100 * abs(skew):.1f} points {more} than it occurs"
            )
    return told


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
    found = {}
    for head in HEAD_CLASSES:
        if head not in targets or head not in predicted:
            continue
        encoded = targets[head]
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
    logs, means = {}, {}
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
