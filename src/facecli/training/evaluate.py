"""A model meets a split: predictions become `Evaluation`, numbers only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from facecli.labels import HEAD_CLASSES
from facecli.training.metrics import age_metrics, class_metrics

Predict = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""(n, h, w, 3) uint8 RGB crops -> head -> probabilities (n, classes)."""


@dataclass(frozen=True)
class Evaluation:
    """What was shown, what was answered, and how good it was."""

    frame: pd.DataFrame
    crops: np.ndarray
    predicted: dict[str, np.ndarray]
    metrics: dict

    @property
    def heads(self) -> tuple[str, ...]:
        return tuple(self.predicted)


def evaluate(predict: Predict, frame: pd.DataFrame, crops: np.ndarray, batch_size: int = 64) -> Evaluation:
    """Predicts every row once (no test-time augmentation) and measures.

    Args:
        predict: the model.
        frame: (n rows) with `age_years`, `gender`, `race`, -1 where missing.
        crops: (n, h, w, 3) uint8 RGB, whole chips, a row for each row of `frame`.

    Returns:
        The evaluation; `metrics` holds "count" and an entry for each head.
    """
    predicted = predict_batches(predict, crops, batch_size)
    metrics = {"count": len(frame)}
    for head, probabilities in predicted.items():
        if head == "age":
            metrics["age"] = age_metrics(frame["age_years"].to_numpy(), probabilities)
        else:
            metrics[head] = class_metrics(frame[head].to_numpy(), probabilities)
    return Evaluation(frame.reset_index(drop=True), crops, predicted, metrics)


def predict_batches(predict: Predict, crops: np.ndarray, batch_size: int) -> dict[str, np.ndarray]:
    """Head -> probabilities of all crops, in the order of `labels.HEAD_CLASSES`."""
    starts = range(0, max(len(crops), 1), batch_size)
    parts = [predict(crops[start : start + batch_size]) for start in starts]
    heads = [head for head in HEAD_CLASSES if head in parts[0]]
    return {head: np.concatenate([np.asarray(part[head]) for part in parts]) for head in heads}
