"""Numbers about predictions: NumPy and scikit-learn on arrays, rows without a label left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import classification_report, confusion_matrix, f1_score, r2_score

from facecli.core.arrays import Array
from facecli.core.attributes import (
    AGE_GROUPS,
    GENDERS,
    MAX_AGE_YEARS,
    MISSING,
    PRESETS,
    RACES,
    AgeGroups,
    age_group_id,
    parse_age_groups,
)
from facecli.data.statistics import POOLED_HEADS
from facecli.models.readout import IDENTITY, Calibration, expected_age
from facecli.training.prepare import Columns, encode_age_bins

HALF_YEAR = 0.5
"""An age of 29 is said of everybody between 28.5 and 29.5."""
SKEW = 0.03
"""Predicted minus true share of a class beyond which a set is warned about."""
FEWEST_FOR_SKEW = 100
"""Of fewer faces such a difference is mostly chance."""


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


def class_figures(names: Sequence[str], labels: Array, probabilities: Array) -> ClassFigures | None:
    """Figures of a head whose classes have these names; None when no label is known.

    Args:
        names: in the order of the head.
        labels: (n,) class ids, -1 where missing.
        probabilities: (n, classes).
    """
    known = labels != MISSING
    return figures_of_known(names, labels[known], probabilities[known]) if known.any() else None


def figures_of_known(names: Sequence[str], true: Array, probabilities: Array) -> ClassFigures:
    """Figures of (n,) class ids, all of them known and one at least, and (n, classes)."""
    said = probabilities.argmax(axis=1)
    shares = np.bincount(said, minlength=len(names)) - np.bincount(true, minlength=len(names))
    return ClassFigures(
        count=len(true),
        accuracy=float((said == true).mean()),
        by_class={names[index]: float((said[true == index] == index).mean()) for index in np.unique(true)},
        skew={name: float(share) / len(true) for name, share in zip(names, shares, strict=True)},
    )


def age_figures(age_years: Array, low: Array, high: Array, probabilities: Array) -> AgeFigures | None:
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
        in_bin=float((beyond <= HALF_YEAR).mean()) if binned.any() else None,
        outside=float(beyond.mean()) if binned.any() else None,
    )


def skewed(figures: Mapping[str, ClassFigures | AgeFigures], name: str) -> list[str]:
    """A sentence for each head of a set that names a class much oftener, or less often, than it occurs."""
    told = []
    for head, row in figures.items():
        if not isinstance(row, ClassFigures) or head in POOLED_HEADS or row.count < FEWEST_FOR_SKEW:
            continue
        if abs(row.worst_skew[1]) > SKEW:
            label, skew = row.worst_skew
            more = "more" if skew > 0 else "less"
            told.append(
                f"{name}: {head} '{label}' is said {100 * abs(skew):.1f} points {more} than it occurs"
            )
    return told


RESAMPLES = 1000
_CHUNK_CELLS = 4_000_000

AGE_BANDS = ("0-12", "13-19", "20-39", "40-59", "60-69", "70+")
"""Bands of tables and intervals: children and the old stand apart."""
_BAND_STARTS = np.array([0, 13, 20, 40, 60, 70])

BAND_SETS: Mapping[str, AgeGroups] = {
    "quarter_centuries": parse_age_groups("0-24,25-49,50-74,75-99,100+"),
    # The TCS HumAIn challenge's ages; its sixth class, "others", is a picture without an age.
    "below_20_to_above_50": parse_age_groups("0-19,20-29,30-39,40-49,50+"),
    "decades": PRESETS["decades"],
    "life": PRESETS["life"],
    "fairface": PRESETS["fairface"],
}
"""Name in `metrics.json` -> bands. Adience's leave ages out, so that true ages would belong to none."""

CALIBRATION_BINS = 10
CUMULATIVE_YEARS = (1, 2, 3, 5, 10, 15)
FEWEST_FOR_INTERVAL = 10
"""Resampling fewer faces only repeats them: an interval would look far too sure."""


def mean_interval(
    values: npt.ArrayLike, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Interval of the mean of a sample.

    Args:
        values: (n,) a value a face.
        level: share of resampled means inside, in (0, 1).
        resamples, seed: of the draw.

    Returns:
        (low, high); (nan, nan) for an empty sample.
    """
    sample = np.asarray(values, np.float64)
    if not len(sample):
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    step = max(_CHUNK_CELLS // len(sample), 1)
    means = [
        sample[random.integers(0, len(sample), (min(step, resamples - start), len(sample)))].mean(axis=1)
        for start in range(0, resamples, step)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def interval_metrics(true_age: Array, probabilities: Array, calibration: Calibration) -> dict[str, Any]:
    """How many of (n,) true ages, all known, lie in their 90 % interval, in [0, 1].

    Returns:
        coverage_90; coverage_90_raw, of the model's own interval; coverage_90_by_band, band ->
        share, bands of true ages, those without any left out; width_90, its mean width in years.
    """
    low, high = calibration.age_interval(probabilities)
    raw_low, raw_high = IDENTITY.age_interval(probabilities)
    inside, bands = (low <= true_age) & (true_age <= high), age_band_id(true_age)
    return {
        "coverage_90": float(inside.mean()),
        "coverage_90_raw": float(((raw_low <= true_age) & (true_age <= raw_high)).mean()),
        "coverage_90_by_band": {
            name: float(inside[bands == index].mean())
            for index, name in enumerate(AGE_BANDS)
            if (bands == index).any()
        },
        "width_90": float((high - low).mean()),
    }


def age_band_id(true_age: Array) -> Array:
    """Index into AGE_BANDS of each age in years; -1 where it is missing."""
    return np.searchsorted(_BAND_STARTS, true_age, side="right") - 1


def band_metrics(true_age: Array, probabilities: Array) -> dict[str, dict[str, Any]]:
    """The accuracy of every set of bands.

    Args:
        true_age: (n,) years, all known, one at least.
        probabilities: (n, 117) age distributions.

    Returns:
        Name -> count; accuracy of the most probable band, with its 95 % interval; off_by_one, the
        share that is right or in the band beside it; confidence, the mean probability of the most
        probable band, which equals the accuracy when it means what it says; by_band: name ->
        count and recall, bands of true ages, those without any left out.
    """
    return {name: _metrics(true_age, probabilities, groups) for name, groups in BAND_SETS.items()}


def _metrics(true_age: Array, probabilities: Array, groups: AgeGroups) -> dict[str, Any]:
    rows = np.asarray(probabilities, np.float64)
    shares = np.stack([rows[:, band.first : band.last + 1].sum(axis=1) for band in groups.bands], axis=1)
    predicted = shares.argmax(axis=1)
    starts = [band.first for band in groups.bands]
    true = np.searchsorted(starts, true_age, side="right") - 1
    hit = predicted == true
    return {
        "count": len(true_age),
        "accuracy": float(hit.mean()),
        "accuracy_ci95": list(mean_interval(hit)),
        "off_by_one": float((np.abs(predicted - true) <= 1).mean()),
        "confidence": float(shares.max(axis=1).mean()),
        "by_band": {
            band: {"count": int((true == index).sum()), "recall": float(hit[true == index].mean())}
            for index, band in enumerate(groups.names)
            if (true == index).any()
        },
    }


def band_table(bands: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each set of bands and for each band of it, from what `band_metrics` gives."""
    rows = []
    for name, row in bands.items():
        low, high = row["accuracy_ci95"]
        whole = {"count": row["count"], "accuracy": row["accuracy"], "low": low, "high": high}
        rows.append({"bands": name, "band": "all", **whole, "off_by_one": row["off_by_one"]})
        for band, part in row["by_band"].items():
            rows.append({"bands": name, "band": band, "count": part["count"], "accuracy": part["recall"]})
    return pd.DataFrame(rows, columns=["bands", "band", "count", "accuracy", "low", "high", "off_by_one"])


def age_metrics(true_age: Array, probabilities: Array, calibration: Calibration = IDENTITY) -> dict[str, Any]:
    """Errors of the expected age.

    Args:
        true_age: (n,) years, -1 where missing.
        probabilities: (n, 117).
        calibration: makes the 90 % interval.

    Returns:
        count, mae and its 95 % interval, rmse, bias (predicted minus true), all in years;
        r2, None when all true ages are equal; within_5 in [0, 1]; cumulative: years -> share of
        errors up to that many; what `interval_metrics` knows; by_decade; bands, see `band_metrics`.
        Only `count` when no age is known.
    """
    known = true_age != MISSING
    true_age, probabilities = true_age[known], probabilities[known]
    if not len(true_age):
        return {"count": 0}
    error = expected_age(probabilities) - true_age
    return {
        "count": len(true_age),
        "mae": float(np.abs(error).mean()),
        "mae_ci95": list(mean_interval(np.abs(error))),
        "rmse": float(np.sqrt((error**2).mean())),
        "bias": float(error.mean()),
        "r2": float(r2_score(true_age, true_age + error)) if len(np.unique(true_age)) > 1 else None,
        "within_5": float((np.abs(error) <= 5).mean()),
        "cumulative": {str(years): float((np.abs(error) <= years).mean()) for years in CUMULATIVE_YEARS},
        **interval_metrics(true_age, probabilities, calibration),
        "by_decade": _by_decade(true_age, error),
        "bands": band_metrics(true_age, probabilities),
    }


def class_metrics(
    true_class: Array,
    probabilities: Array,
    raw: Array | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """How good the answers of a class head are.

    Args:
        true_class: (n,), -1 where missing.
        probabilities: (n, classes), calibrated.
        raw: the same as the model gave them; None when they were not calibrated.
        names: of the classes.

    Returns:
        count, accuracy with its 95 % interval, macro_f1 over the classes that occur, ece and,
        before calibration, ece_raw; confusion: lists of counts, a list for each true class, in it
        a count for each answer, classes in the order of the head. With `names` also by_class: class that
        occurs -> count, share of its faces that are recognised and the 95 % interval, and skew: class ->
        share of the answers minus share of the labels. Only `count` when no label is known.
    """
    known = true_class != MISSING
    raw = probabilities if raw is None else raw
    true_class, probabilities, raw = true_class[known], probabilities[known], raw[known]
    if not len(true_class):
        return {"count": 0}
    hit = probabilities.argmax(axis=1) == true_class
    return {
        "count": len(true_class),
        "accuracy": float(hit.mean()),
        "accuracy_ci95": list(mean_interval(hit)),
        "macro_f1": float(
            f1_score(true_class, probabilities.argmax(axis=1), labels=np.unique(true_class), average="macro")
        ),
        "ece": calibration_error(hit, probabilities.max(axis=1)),
        "ece_raw": calibration_error(hit, raw.max(axis=1)),
        "confusion": confusion_matrix(
            true_class, probabilities.argmax(axis=1), labels=range(probabilities.shape[1])
        ).tolist(),
        **(_by_class(names, true_class, probabilities) if names else {}),
    }


def _by_class(names: Sequence[str], true_class: Array, probabilities: Array) -> dict[str, Any]:
    figures = figures_of_known(names, true_class, probabilities)
    hit, rows = probabilities.argmax(axis=1) == true_class, {}
    for name, accuracy in figures.by_class.items():
        part = hit[true_class == names.index(name)]
        rows[name] = {
            "count": len(part),
            "accuracy": accuracy,
            "accuracy_ci95": list(mean_interval(part)) if len(part) >= FEWEST_FOR_INTERVAL else None,
        }
    return {"by_class": rows, "skew": dict(figures.skew)}


def age_bin_metrics(
    low: Array, high: Array, probabilities: Array, calibration: Calibration = IDENTITY
) -> dict[str, Any]:
    """How good the expected age is where a bin of ages is known.

    Args:
        low, high: (n,) youngest and oldest age of each bin, -1 where there is none.
        probabilities: (n, 117).
        calibration: makes the 90 % interval.

    Returns:
        count; in_bin, the share of expectations that round to a year of the bin, with its 95 % interval;
        outside, the mean of the years outside the bin (0 for those inside); coverage_90, the mean share
        of a bin's people (`targets.encode_age_bins`) whose age lies in the interval; by_bin: "20-29" ->
        count, in_bin, outside. Only `count` when no bin is known.
    """
    known = low != MISSING
    low, high, probabilities = low[known], high[known], probabilities[known]
    if not len(low):
        return {"count": 0}
    expected = expected_age(probabilities)
    beyond = np.maximum(np.maximum(low - expected, expected - high), 0)
    inside = beyond <= HALF_YEAR
    first, last = calibration.age_interval(probabilities)
    people, years = encode_age_bins(low, high)[:, :-1], np.arange(probabilities.shape[1])
    covered = (people * ((years >= first[:, None]) & (years <= last[:, None]))).sum(axis=1)
    bins = sorted(set(zip(low.tolist(), high.tolist(), strict=True)))
    rows = {bin_name(*bounds): (low == bounds[0]) & (high == bounds[1]) for bounds in bins}
    return {
        "count": len(low),
        "in_bin": float(inside.mean()),
        "in_bin_ci95": list(mean_interval(inside)),
        "outside": float(beyond.mean()),
        "coverage_90": float(covered.mean()),
        "width_90": float((last - first).mean()),
        "by_bin": {
            name: {
                "count": int(part.sum()),
                "in_bin": float(inside[part].mean()),
                "outside": float(beyond[part].mean()),
            }
            for name, part in rows.items()
        },
    }


def bin_name(low: int, high: int) -> str:
    """ "20-29", or "70+" for a bin up to the oldest age."""
    return f"{low}+" if high == MAX_AGE_YEARS else f"{low}-{high}"


def class_report(names: Sequence[str], true_class: Array, probabilities: Array) -> pd.DataFrame:
    """scikit-learn's classification report as a table, a row a class and the averages.

    Raises ValueError when no label is known.
    """
    known = true_class != MISSING
    names = list(names)
    report = classification_report(
        true_class[known],
        probabilities[known].argmax(axis=1),
        labels=range(len(names)),
        target_names=names,
        output_dict=True,
        zero_division=0,
    )
    report.pop("accuracy", None)
    table = pd.DataFrame(report).T.astype({"support": int})
    return table.rename_axis("class").reset_index()


def confusion_counts(names: Sequence[str], true_class: Array, probabilities: Array) -> pd.DataFrame:
    """Counts, true classes as rows, predicted ones as columns."""
    known = true_class != MISSING
    names = list(names)
    counts = confusion_matrix(
        true_class[known], probabilities[known].argmax(axis=1), labels=range(len(names))
    )
    return pd.DataFrame(counts, index=pd.Index(names, name="true"), columns=names)


def calibration_bins(hit: Array, confidence: Array) -> pd.DataFrame:
    """Mean confidence, accuracy and count in CALIBRATION_BINS equal bins; empty bins left out."""
    index = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    table = pd.DataFrame({"bin": index, "confidence": confidence, "accuracy": hit.astype(float)})
    grouped = table.groupby("bin")
    return grouped.mean().assign(count=grouped.size()).reset_index()


def calibration_error(hit: Array, confidence: Array) -> float:
    """Expected calibration error (Guo et al. 2017), in [0, 1]."""
    bins = calibration_bins(hit, confidence)
    gaps = (bins["confidence"] - bins["accuracy"]).abs()
    return float((gaps * bins["count"]).sum() / max(len(hit), 1))


def group_report(labels: Columns, predicted: Mapping[str, Array]) -> pd.DataFrame:
    """Errors by gender x race x age band, with counts and 95 % intervals; groups of none left out.

    Columns of heads that were not predicted are absent. Rows that lack one of the three
    labels belong to no group. Intervals of fewer than FEWEST_FOR_INTERVAL faces are NaN.
    """
    table = pd.DataFrame({name: np.asarray(labels[name]) for name in ("age_years", "gender", "race")})
    scores = _row_scores(table, predicted)
    whole = (table != MISSING).all(axis=1)
    band = age_band_id(table["age_years"])
    rows = []
    for (gender, race, age), index in table[whole].groupby(["gender", "race", band[whole]]).groups.items():
        row = {
            "gender": GENDERS[gender],
            "race": RACES[race],
            "age_band": AGE_BANDS[age],
            "count": len(index),
        }
        for name, values in scores.items():
            row[name] = values[index].mean()
            if name != "bias":
                enough = len(index) >= FEWEST_FOR_INTERVAL
                row[f"{name}_low"], row[f"{name}_high"] = mean_interval(values[index] if enough else ())
        rows.append(row)
    return pd.DataFrame(rows)


def _row_scores(table: pd.DataFrame, predicted: Mapping[str, Array]) -> dict[str, Array]:
    scores = {}
    if "age" in predicted:
        error = expected_age(predicted["age"]) - table["age_years"].to_numpy()
        scores["age_mae"], scores["bias"] = np.abs(error), error
    for head in ("gender", "race"):
        if head in predicted:
            scores[f"{head}_accuracy"] = predicted[head].argmax(axis=1) == table[head].to_numpy()
    return scores


def _by_decade(true_age: Array, error: Array) -> dict[str, dict[str, Any]]:
    decade = np.array([age_group_id(age) for age in true_age])
    rows = {}
    for index, name in enumerate(AGE_GROUPS):
        part = error[decade == index]
        if len(part):
            rows[name] = {
                "count": len(part),
                "mae": float(np.abs(part).mean()),
                "mae_ci95": list(mean_interval(np.abs(part))),
                "rmse": float(np.sqrt((part**2).mean())),
                "bias": float(part.mean()),
                "within_5": float((np.abs(part) <= 5).mean()),
            }
    return rows
