"""A model meets a split: predictions become `Evaluation`, numbers only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from facecli.labels import HEAD_CLASSES, LABEL_COLUMNS, MISSING
from facecli.models.calibration import IDENTITY, Calibration
from facecli.training.metrics import age_metrics, class_metrics
from facecli.training.presence import presence_metrics

Predict = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""(n, h, w, 3) uint8 RGB crops -> head -> probabilities (n, classes)."""


@dataclass(frozen=True)
class Evaluation:
    """What was shown, what was answered (calibrated), and how good it was."""

    frame: pd.DataFrame
    crops: np.ndarray
    predicted: dict[str, np.ndarray]
    metrics: dict
    calibration: Calibration = IDENTITY

    @property
    def heads(self) -> tuple[str, ...]:
        return tuple(self.predicted)


def evaluate(
    predict: Predict,
    frame: pd.DataFrame,
    crops: np.ndarray,
    batch_size: int = 64,
    calibration: Calibration = IDENTITY,
) -> Evaluation:
    """Predicts every row once (no test-time augmentation) and measures.

    Args:
        predict: the model itself, without its calibration.
        frame: (n rows) with the heads' columns (`labels.LABEL_COLUMNS`), -1 where missing.
        crops: (n, h, w, 3) uint8 RGB, whole chips, a row for each row of `frame`.
        batch_size: crops that are predicted at a time.
        calibration: what `run` applies, too.

    Returns:
        The evaluation; `metrics` holds "count" and an entry for each head.
    """
    raw = predict_batches(predict, crops, batch_size)
    predicted = calibration.apply(raw)
    metrics = {"count": len(frame)}
    for head, probabilities in predicted.items():
        labels = true_labels(frame, head)
        if head == "age":
            metrics["age"] = age_metrics(labels, probabilities, calibration)
        elif head == "face":
            metrics["face"] = presence_metrics(labels, probabilities, raw[head], calibration.face_threshold)
        else:
            metrics[head] = class_metrics(labels, probabilities, raw[head])
    return Evaluation(frame.reset_index(drop=True), crops, predicted, metrics, calibration)


def true_labels(frame: pd.DataFrame, head: str) -> np.ndarray:
    """(n,) labels of a head, -1 where missing; all of them in a table without its column."""
    column = LABEL_COLUMNS[head]
    return frame[column].to_numpy() if column in frame else np.full(len(frame), MISSING)


def predict_batches(predict: Predict, crops: np.ndarray, batch_size: int) -> dict[str, np.ndarray]:
    """Head -> probabilities of all crops, in the order of `labels.HEAD_CLASSES`."""
    starts = range(0, max(len(crops), 1), batch_size)
    parts = [predict(crops[start : start + batch_size]) for start in starts]
    heads = [head for head in HEAD_CLASSES if head in parts[0]]
    return {head: np.concatenate([np.asarray(part[head]) for part in parts]) for head in heads}
