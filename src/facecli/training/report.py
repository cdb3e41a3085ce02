"""An evaluation becomes files: CSV tables, `metrics.json` and pictures."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from facecli.core.arrays import Array
from facecli.core.attributes import FACE_HEADS, HEAD_CLASSES, MISSING, label_column
from facecli.core.paths import replacing
from facecli.models.checkpoint import write_json
from facecli.models.readout import expected_age
from facecli.training import plots
from facecli.training.evaluate import Evaluation, fairness_metrics, fairness_table, true_labels
from facecli.training.metrics import band_table, class_report, confusion_counts, group_report
from facecli.training.plots import fairness_plot, prediction_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log: logging.Logger = logging.getLogger(__name__)


def own_numbers(
    about: Mapping[str, Any], metrics: Mapping[str, Any], before: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of `metrics.json` after the model was measured on its own test split.

    Args:
        about: model, split and the like.
        metrics: of all heads.
        before: the old content; what it says of heads that these data have no labels for stays.
    """
    kept = {head: before[head] for head in _class_heads(before) if _from_elsewhere(before, head)}
    unknown = {head: row for head, row in kept.items() if not _counted(metrics, head)}
    return {**about, **metrics, **unknown}


def with_other_data(
    before: Mapping[str, Any], about: Mapping[str, Any], metrics: Mapping[str, Any], data: str
) -> dict[str, Any]:
    """The content of `metrics.json` after the model was measured on other data that it has learnt from.

    Class heads that its own data have no labels for get what was measured here, and say so.

    Args:
        before: the old content.
        about: of the measurement, with its "split_digest".
        metrics: of all heads.
        data: name of the data set.
    """
    told = {"data": data, "split_digest": about["split_digest"]}
    found = {
        head: {**metrics[head], **told}
        for head in _class_heads(metrics)
        if _counted(metrics, head) and (not _counted(before, head) or _from_elsewhere(before, head))
    }
    return {**before, **found}


def _class_heads(metrics: Mapping[str, Any]) -> list[str]:
    """Heads of which something is told, those that a model brought behind the others."""
    further = [name for name, row in metrics.items() if isinstance(row, Mapping) and "confusion" in row]
    return [*FACE_HEADS, *(name for name in further if name not in HEAD_CLASSES)]


def _counted(metrics: Mapping[str, Any], head: str) -> bool:
    row = metrics.get(head)
    return isinstance(row, Mapping) and bool(row.get("count"))


def _from_elsewhere(metrics: Mapping[str, Any], head: str) -> bool:
    return _counted(metrics, head) and "data" in metrics[head]


def metrics_document(evaluation: Evaluation, about: Mapping[str, object]) -> dict[str, Any]:
    """What `metrics.json` says: `about`, every head's numbers, then those of groups of faces."""
    groups = fairness_metrics(evaluation.frame, evaluation.predicted)
    return {**about, **evaluation.metrics, **groups}


def write_report(
    evaluation: Evaluation, folder: Path, about: Mapping[str, object], history: pd.DataFrame | None = None
) -> list[Path]:
    """Writes everything that is known about a model on a split.

    Args:
        evaluation: see `training.evaluate.evaluate`; heads without a known label have no files.
        folder: statistics/model_metrics/<model>/, made when missing.
        about: model, split and the like; the head of `metrics.json`.
        history: the training history, for the learning curves.

    Returns:
        The files, in the order in which they were written.
    """
    evaluation = _pictured(_with_all_columns(evaluation))
    frame, predicted = evaluation.frame, evaluation.predicted
    write_json(folder / "metrics.json", metrics_document(evaluation, about))
    files = [folder / "metrics.json"]
    class_heads = [
        head for head in _class_heads(evaluation.metrics) if evaluation.metrics.get(head, {}).get("count")
    ]
    for head in class_heads:
        names = evaluation.classes[head]
        files += _class_files(head, names, frame[head].to_numpy(), predicted[head], folder)
    if evaluation.metrics.get("age", {}).get("count"):
        files += _age_files(evaluation, folder)
    files += _group_files(frame, predicted, folder)
    if class_heads:
        files.append(_png(plots.reliability(frame, predicted), folder / "reliability.png"))
    if len(frame):
        files.append(_png(prediction_grid(evaluation), folder / "predictions.png"))
    curves = None if history is None or history.empty else plots.learning_curves(history)
    if curves:
        files.append(_png(curves, folder / "learning_curves.png"))
    return files


def _with_all_columns(evaluation: Evaluation) -> Evaluation:
    """A data set without a label has no column for it: here it is missing in every row."""
    heads = {*evaluation.heads, "age", "gender", "race"}
    columns = {label_column(head): true_labels(evaluation.frame, head) for head in heads}
    return replace(evaluation, frame=evaluation.frame.assign(**columns))


def _pictured(evaluation: Evaluation) -> Evaluation:
    """Without the head `face`: that nearly all faces are faces is a number, no picture."""
    return replace(evaluation, predicted={h: p for h, p in evaluation.predicted.items() if h != "face"})


def _class_files(
    head: str, names: Sequence[str], labels: Array, probabilities: Array, folder: Path
) -> list[Path]:
    counts = confusion_counts(names, labels, probabilities)
    return [
        _csv(class_report(names, labels, probabilities), folder / f"{head}_classification_report.csv"),
        _csv(counts.reset_index(), folder / f"{head}_confusion.csv"),
        _png(plots.confusion_matrix(head, counts), folder / f"{head}_confusion.png"),
    ]


def _age_files(evaluation: Evaluation, folder: Path) -> list[Path]:
    age, years = evaluation.metrics["age"], evaluation.frame["age_years"].to_numpy()
    known = years != MISSING
    guess = expected_age(evaluation.predicted["age"][known])
    return [
        _csv(age_table(age), folder / "age_report.csv"),
        _csv(band_table(age["bands"]), folder / "age_bands.csv"),
        _png(plots.age_scatter(years[known], guess), folder / "age_scatter.png"),
        _png(plots.age_by_decade(age["by_decade"]), folder / "age_by_decade.png"),
    ]


def _group_files(frame: pd.DataFrame, predicted: Mapping[str, Array], folder: Path) -> list[Path]:
    files = []
    groups, fairness = group_report(frame, predicted), fairness_table(frame, predicted)
    if len(groups):
        files.append(_csv(groups, folder / "group_report.csv"))
    if len(fairness):
        files.append(_csv(fairness, folder / "fairness_report.csv"))
        files.append(_png(fairness_plot(fairness), folder / "fairness.png"))
    return files


def age_table(age: Mapping[str, Any]) -> pd.DataFrame:
    """All ages, then a row a decade."""
    keys = ("count", "mae", "mae_ci95", "bias", "within_5", "rmse", "r2")
    rows = {"all": age, **age["by_decade"]}
    table = []
    for name, row in rows.items():
        values = {key: row.get(key) for key in keys}
        low, high = values.pop("mae_ci95")
        table.append({"age_group": name, **values, "mae_low": low, "mae_high": high})
    return pd.DataFrame(table)


@dataclass(frozen=True)
class Measure:
    """A number and its 95 % interval, where there is one; a share in [0, 1], or years."""

    value: float
    low: float | None
    high: float | None
    in_years: bool = False


def epoch_row(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared of an epoch: `epoch`, `best`, and `measures`, name -> Measure.

    Args:
        metrics: those of `training.evaluate.Evaluation`, with `epoch` and `best`.
    """
    measures: dict[str, Measure] = {}
    if _counted(metrics, "age"):
        low, high = metrics["age"]["mae_ci95"]
        measures["age error"] = Measure(metrics["age"]["mae"], low, high, in_years=True)
    if _counted(metrics, "age_bins"):
        bins = metrics["age_bins"]
        measures["age in its bin"] = Measure(bins["in_bin"], *bins["in_bin_ci95"])
    for head, row in metrics.items():
        if isinstance(row, Mapping) and row.get("count") and "accuracy" in row:
            measures[head] = Measure(row["accuracy"], *(row["accuracy_ci95"] or (None, None)))
    return {"epoch": metrics["epoch"], "best": metrics["best"], "measures": measures}


def write_epochs(rows: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Writes `epochs.csv`, a row for each measure of each epoch, and `epochs.png`; returns the files.

    Args:
        rows: see `epoch_row`; at least one.
        folder: made when missing.
    """
    table = pd.DataFrame(
        [
            {
                "epoch": row["epoch"],
                "best": row["best"],
                "measure": name,
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "unit": "years" if one.in_years else "share",
            }
            for row in rows
            for name, one in row["measures"].items()
        ],
        columns=["epoch", "best", "measure", "value", "low", "high", "unit"],
    )
    files = [_csv(table, folder / "epochs.csv")]
    if len(table):
        files.append(_png(plots.epoch_plot(table), folder / "epochs.png"))
    return files


def _csv(table: pd.DataFrame, path: Path) -> Path:
    with replacing(path) as temporary:
        table.round(4).to_csv(temporary, index=False)
    return path


def _png(figure: "Figure", path: Path) -> Path:
    with replacing(path) as temporary:
        figure.savefig(temporary)
    return path
