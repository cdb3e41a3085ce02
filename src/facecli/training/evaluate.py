"""A model meets a split: predictions become `Evaluation`, numbers only.

Whom does it serve worse? Errors by gender, race and age band, and how far groups lie apart.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from facecli.core.arrays import Array
from facecli.core.attributes import (
    CLASS_NAMES,
    GENDERS,
    HEAD_CLASSES,
    MISSING,
    PRESENCE,
    RACES,
    RACES_7,
    ClassNames,
    label_column,
)
from facecli.data.statistics import POOLED_HEADS
from facecli.models.readout import IDENTITY, Calibration, expected_age
from facecli.training.metrics import (
    AGE_BANDS,
    FEWEST_FOR_INTERVAL,
    HALF_YEAR,
    ClassFigures,
    age_band_id,
    age_bin_metrics,
    age_metrics,
    class_metrics,
    mean_interval,
    skewed,
)

FACE = PRESENCE.index("face")

Predict = Callable[[Array], Mapping[str, Array]]
"""(n, h, w, 3) uint8 RGB crops -> head -> probabilities (n, classes)."""


MEANS = {
    "age": ("mae", "within_5", "coverage_90"),
    "age_bins": ("in_bin", "outside", "coverage_90"),
}
"""Numbers of which a mean over data sets is told, by part of `metrics`; the other parts are class heads."""
CLASS_MEANS = ("accuracy", "macro_f1", "ece")
MEASURES = ("age_mae", "bias", "age_in_bin", "gender_accuracy", "race_accuracy", "race_7_accuracy")
SHARES = tuple(measure for measure in MEASURES if measure not in ("age_mae", "bias"))
"""Those in [0, 1], of which more is better."""
FEWEST_FACES = 100
"""Of fewer faces a mean is too uncertain to call a group the best or the worst."""
SLICES = (
    ("gender",),
    ("race",),
    ("race_7",),
    ("age_band",),
    ("gender", "race"),
    ("gender", "race_7"),
    ("gender", "age_band"),
    ("gender", "race", "age_band"),
)
"""What faces are divided by."""
NAMED_BANDS = {"children under 13": "0-12", "people of 70 and more": "70+"}
"""Rows of their own: those whom training sets have the fewest of."""
AGE_RANGE_21_60 = (21, 60)
"""Years, both included: the part of UTKFace on which many papers measure."""
_AXES = ("gender", "race", "race_7", "age_band")


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


def fairness_metrics(frame: pd.DataFrame, predicted: Mapping[str, Array]) -> dict[str, dict[str, Any]]:
    """What `metrics.json` says about groups of faces.

    Args:
        frame: n rows with whatever heads' columns there are (`LABEL_COLUMNS`), -1 where missing.
        predicted: head -> (n, classes) probabilities.

    Returns:
        "age_21_60": each measure of the faces of 21 to 60 years and its 95 % interval; "fairness":
        see `gaps`. A key of which nothing is known is absent.
    """
    found = {"age_21_60": _age_range(frame, predicted), "fairness": gaps(fairness_table(frame, predicted))}
    return {name: value for name, value in found.items() if value}


def fairness_table(frame: pd.DataFrame, predicted: Mapping[str, Array]) -> pd.DataFrame:
    """A row for everybody, for children, for the old, and for every group of every slice.

    Args: as `fairness_metrics`.

    Returns:
        Columns slice ("all", "named", "gender", ..., "gender x race x age_band"), group, gender, race,
        race_7, age_band ("" where not divided by it), count; for each of MEASURES that the heads
        allow its mean (bias is predicted minus true, years; accuracy is in [0, 1]), `_low` and
        `_high` of the 95 % interval (NaN below FEWEST_FOR_INTERVAL faces) and `_count` of labelled
        faces. Faces that lack a label are in no group of a slice by it. No rows when nothing is known.
    """
    scores = _scores(frame, predicted)
    if not scores:
        return pd.DataFrame(columns=["slice", "group", *_AXES, "count"])
    rows = []
    for slice_name, group, labels, index in _groups(_group_labels(frame)):
        row = {"slice": slice_name, "group": group, **dict.fromkeys(_AXES, ""), **labels, "count": len(index)}
        for measure, values in scores.items():
            row |= _summary(measure, values[index])
        rows.append(row)
    return pd.DataFrame(rows)


def gaps(table: pd.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """How far the best and the worst group of FEWEST_FACES labelled faces or more lie apart.

    The best bias is the one nearest to zero. Differences between the extremes of many groups are
    partly chance: read them with the intervals of `fairness_table`.

    Returns:
        Measure -> slice -> gap (never negative), best, best_value, worst, worst_value. The slice
        "any" holds the groups of all slices. Slices with fewer than two such groups are absent.
    """
    found = {}
    divided = table[~table["slice"].isin(["all", "named"])]
    for measure in (name for name in MEASURES if name in table):
        large = divided[divided[f"{measure}_count"] >= FEWEST_FACES]
        slices = {"any": large, **dict(tuple(large.groupby("slice", sort=False)))}
        of_measure = {name: _gap(measure, part) for name, part in slices.items() if len(part) > 1}
        if of_measure:
            found[measure] = of_measure
    return found


def _gap(measure: str, groups: pd.DataFrame) -> dict[str, Any]:
    values = groups[measure].to_numpy()
    cost = -values if measure in SHARES else np.abs(values)
    best, worst = int(cost.argmin()), int(cost.argmax())
    return {
        "gap": float(abs(values[worst] - values[best])),
        "best": groups["group"].iloc[best],
        "best_value": float(values[best]),
        "worst": groups["group"].iloc[worst],
        "worst_value": float(values[worst]),
    }


def _scores(frame: pd.DataFrame, predicted: Mapping[str, Array]) -> dict[str, Array]:
    """Measure -> (n,) float value of each face, NaN without a label; measures without any left out."""
    scores = {}
    if "age" in predicted:
        years = true_labels(frame, "age")
        error = np.where(years == MISSING, np.nan, expected_age(predicted["age"]) - years)
        scores = {"age_mae": np.abs(error), "bias": error, "age_in_bin": _in_bin(frame, predicted["age"])}
    for head in ("gender", "race", "race_7"):
        if head in predicted:
            labels = true_labels(frame, head)
            hit = (predicted[head].argmax(axis=1) == labels).astype(float)
            scores[f"{head}_accuracy"] = np.where(labels == MISSING, np.nan, hit)
    return {measure: values for measure, values in scores.items() if np.isfinite(values).any()}


def _in_bin(frame: pd.DataFrame, ages: Array) -> Array:
    """(n,) 1 where the expectation rounds to a year of the bin, else 0; NaN where no bin is known."""
    if "age_low" not in frame:
        return np.full(len(frame), np.nan)
    low, high = (frame[column].to_numpy() for column in ("age_low", "age_high"))
    expected = expected_age(ages)
    inside = (low - HALF_YEAR <= expected) & (expected <= high + HALF_YEAR)
    return np.where(low == MISSING, np.nan, inside.astype(float))


def _group_labels(frame: pd.DataFrame) -> pd.DataFrame:
    """Ids of gender, races and age band of each row from 0, MISSING where not known."""
    labels = {head: true_labels(frame, head) for head in ("gender", "race", "race_7")}
    return pd.DataFrame({**labels, "age_band": age_band_id(true_labels(frame, "age"))})


def _groups(labels: pd.DataFrame) -> Iterator[tuple[str, str, dict[str, str], Array]]:
    """(slice, group, axis -> name, positions) of all rows of the table, in its order."""
    names = {"gender": GENDERS, "race": RACES, "race_7": RACES_7, "age_band": AGE_BANDS}
    yield "all", "everybody", {}, np.arange(len(labels))
    for group, band in NAMED_BANDS.items():
        index = np.flatnonzero(labels["age_band"] == AGE_BANDS.index(band))
        if len(index):
            yield "named", group, {"age_band": band}, index
    for axes in SLICES:
        known = labels[(labels[list(axes)] != MISSING).all(axis=1)]
        for ids, index in known.groupby(list(axes)).indices.items():
            ids = ids if isinstance(ids, tuple) else (ids,)
            of_axis = {axis: names[axis][value] for axis, value in zip(axes, ids, strict=True)}
            yield " x ".join(axes), ", ".join(of_axis.values()), of_axis, known.index[index].to_numpy()


def _summary(measure: str, values: Array) -> dict[str, float]:
    values = values[np.isfinite(values)]
    low, high = mean_interval(values if len(values) >= FEWEST_FOR_INTERVAL else ())
    mean = float(values.mean()) if len(values) else np.nan
    return {measure: mean, f"{measure}_low": low, f"{measure}_high": high, f"{measure}_count": len(values)}


def _age_range(frame: pd.DataFrame, predicted: Mapping[str, Array]) -> dict[str, Any]:
    years = true_labels(frame, "age")
    low, high = AGE_RANGE_21_60
    inside = (low <= years) & (years <= high)
    found: dict[str, Any] = {"count": int(inside.sum())}
    for measure, values in _scores(frame, predicted).items():
        known = values[inside][np.isfinite(values[inside])]
        if len(known):
            found[measure] = float(known.mean())
            found[f"{measure}_ci95"] = list(mean_interval(known))
    return found if found["count"] else {}
