"""Whom does a model serve worse? Errors by gender, race and age band, and how far groups lie apart."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from facecli.core.arrays import Array
from facecli.core.attributes import GENDERS, MISSING, RACES, RACES_7
from facecli.models.readout import expected_age
from facecli.training.evaluate import true_labels
from facecli.training.metrics import AGE_BANDS, FEWEST_FOR_INTERVAL, HALF_YEAR, age_band_id, mean_interval

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
