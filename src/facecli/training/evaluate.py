"""A model meets a split: predictions become `Evaluation`, numbers only."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from facecli.core.arrays import Array
from facecli.core.attributes import CLASS_NAMES, HEAD_CLASSES, MISSING, PRESENCE, ClassNames, label_column
from facecli.data.checks import POOLED_HEADS
from facecli.models.readout import IDENTITY, Calibration
from facecli.training.metrics import ClassFigures, age_bin_metrics, age_metrics, class_metrics, skewed

FACE = PRESENCE.index("face")

Predict = Callable[[Array], Mapping[str, Array]]
"""(n, h, w, 3) uint8 RGB crops -> head -> probabilities (n, classes)."""


MEANS = {
    "age": ("mae", "within_5", "coverage_90"),
    "age_bins": ("in_bin", "outside", "coverage_90"),
}
"""Numbers of which a mean over data sets is told, by part of `metrics`; the other parts are class heads."""
CLASS_MEANS = ("accuracy", "macro_f1", "ece")


def presence_metrics(
    labels: Array, probabilities: Array, raw: Array, threshold: float | None
) -> dict[str, Any]:
    """What `class_metrics` knows, and the shares that are refused.

    Args:
        labels: (n,) indices into `core.attributes.PRESENCE`, -1 where missing.
        probabilities, raw: (n, 2), after and before calibration.
        threshold: what is less likely a face is refused; None refuses nothing.

    Returns:
        With known labels also faces_refused and not_faces_refused, in [0, 1]; None without any.
    """
    metrics = class_metrics(labels, probabilities, raw)
    if not metrics["count"]:
        return metrics
    refused = probabilities[:, FACE] < (0.0 if threshold is None else threshold)
    for name, known in (("faces_refused", labels == FACE), ("not_faces_refused", labels == 1 - FACE)):
        metrics[name] = float(refused[known].mean()) if known.any() else None
    return metrics


@dataclass(frozen=True)
class Evaluation:
    """What was shown, what was answered (calibrated), and how good it was."""

    frame: pd.DataFrame
    crops: Array
    predicted: dict[str, Array]
    metrics: dict[str, Any]
    calibration: Calibration = IDENTITY
    classes: ClassNames = field(default_factory=lambda: CLASS_NAMES)

    @property
    def heads(self) -> tuple[str, ...]:
        return tuple(self.predicted)


def evaluate(
    predict: Predict,
    frame: pd.DataFrame,
    crops: Array,
    batch_size: int = 64,
    calibration: Calibration = IDENTITY,
    classes: ClassNames = CLASS_NAMES,
) -> Evaluation:
    """Predicts every row once (no test-time augmentation) and measures.

    Args:
        predict: the model itself, without its calibration.
        frame: (n rows) with the heads' columns (`core.attributes.LABEL_COLUMNS`), -1 where missing.
        crops: (n, h, w, 3) uint8 RGB, whole chips, a row for each row of `frame`.
        batch_size: crops that are predicted at a time.
        calibration: what `run` applies, too.
        classes: names of the heads'; those of `frame` are numbered so.

    Returns:
        The evaluation; `metrics` holds "count" and an entry for each head.
    """
    raw = predict_batches(predict, crops, batch_size, classes)
    predicted = calibration.apply(raw)
    metrics: dict[str, Any] = {"count": len(frame)}
    for head, probabilities in predicted.items():
        labels = true_labels(frame, head)
        if head == "age":
            metrics["age"] = age_metrics(labels, probabilities, calibration)
            if "age_low" in frame:
                low, high = (frame[column].to_numpy() for column in ("age_low", "age_high"))
                metrics["age_bins"] = age_bin_metrics(low, high, probabilities, calibration)
        elif head == "face":
            metrics["face"] = presence_metrics(labels, probabilities, raw[head], calibration.face_threshold)
        else:
            metrics[head] = class_metrics(labels, probabilities, raw[head], classes[head])
    return Evaluation(frame.reset_index(drop=True), crops, predicted, metrics, calibration, classes)


def skewed_classes(metrics: Mapping[str, Any], name: str) -> list[str]:
    """A sentence for each head of a set that says a class much oftener, or less often, than it occurs."""
    heads = {
        head: ClassFigures(row["count"], row["accuracy"], {}, row["skew"])
        for head, row in metrics.items()
        if isinstance(row, Mapping) and "skew" in row
    }
    return skewed(heads, name)


def mean_over_sets(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Part -> number -> mean over the sets that know it, and `sets`, how many those are."""
    found = {}
    further = {part for row in documents.values() for part in row if _is_class_part(row[part])}
    for part in (
        *MEANS,
        *(head for head in CLASS_NAMES if head in further),
        *sorted(further - set(CLASS_NAMES)),
    ):
        keys = MEANS.get(part, CLASS_MEANS)
        rows = [document[part] for document in documents.values() if document.get(part, {}).get("count")]
        if rows and part not in POOLED_HEADS:
            found[part] = {key: float(np.mean([row[key] for row in rows])) for key in keys}
            found[part]["sets"] = len(rows)
    return found


def _is_class_part(value: Any) -> bool:
    return isinstance(value, Mapping) and "confusion" in value


def true_labels(frame: pd.DataFrame, head: str) -> Array:
    """(n,) labels of a head, -1 where missing; all of them in a table without its column."""
    column = label_column(head)
    return frame[column].to_numpy() if column in frame else np.full(len(frame), MISSING)


def predict_batches(
    predict: Predict, crops: Array, batch_size: int, further: Iterable[str] = ()
) -> dict[str, Array]:
    """Head -> probabilities of all crops, in the order of `core.attributes.HEAD_CLASSES`, then `further`.

    Other outputs are left out.
    """
    starts = range(0, max(len(crops), 1), batch_size)
    parts = [predict(crops[start : start + batch_size]) for start in starts]
    heads = [head for head in dict.fromkeys((*HEAD_CLASSES, *further)) if head in parts[0]]
    return {head: np.concatenate([np.asarray(part[head]) for part in parts]) for head in heads}
