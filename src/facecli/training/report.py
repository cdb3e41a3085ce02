"""An evaluation becomes files: CSV tables, `metrics.json` and pictures."""

import logging
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from facecli.models.checkpoint import write_json
from facecli.models.readout import expected_age
from facecli.paths import replacing
from facecli.training import plots
from facecli.training.evaluate import Evaluation
from facecli.training.grid import prediction_grid
from facecli.training.metrics import class_report, confusion, group_report

log = logging.getLogger(__name__)


def write_report(
    evaluation: Evaluation, folder: Path, about: Mapping[str, object], history: pd.DataFrame | None = None
) -> list[Path]:
    """Writes everything that is known about a model on a split.

    Args:
        evaluation: see `evaluate.evaluate`.
        folder: statistics/model_metrics/<model>/, made when missing.
        about: model, split and the like; the head of `metrics.json`.
        history: the training history, for the learning curves.

    Returns:
        The files, in the order in which they were written.
    """
    frame, predicted = evaluation.frame, evaluation.predicted
    write_json(folder / "metrics.json", {**about, **evaluation.metrics})
    files = [folder / "metrics.json"]
    for head in ("gender", "race"):
        if evaluation.metrics.get(head, {}).get("count"):
            labels, probabilities = frame[head].to_numpy(), predicted[head]
            files.append(
                _csv(class_report(head, labels, probabilities), folder / f"{head}_classification_report.csv")
            )
            counts = confusion(head, labels, probabilities)
            files.append(_csv(counts.reset_index(), folder / f"{head}_confusion.csv"))
            files.append(_png(plots.confusion_matrix(head, counts), folder / f"{head}_confusion.png"))
    if evaluation.metrics.get("age", {}).get("count"):
        files.append(_csv(age_table(evaluation.metrics["age"]), folder / "age_report.csv"))
        known = (frame["age_years"] >= 0).to_numpy()
        true, guess = frame["age_years"].to_numpy()[known], expected_age(predicted["age"][known])
        files.append(_png(plots.age_scatter(true, guess), folder / "age_scatter.png"))
        files.append(
            _png(plots.age_by_decade(evaluation.metrics["age"]["by_decade"]), folder / "age_by_decade.png")
        )
    groups = group_report(frame, predicted)
    if len(groups):
        files.append(_csv(groups, folder / "group_report.csv"))
    if any(evaluation.metrics.get(head, {}).get("count") for head in ("gender", "race")):
        files.append(_png(plots.reliability(frame, predicted), folder / "reliability.png"))
    if len(frame):
        files.append(_png(prediction_grid(evaluation), folder / "predictions.png"))
    curves = None if history is None or history.empty else plots.learning_curves(history)
    if curves:
        files.append(_png(curves, folder / "learning_curves.png"))
    return files


def age_table(age: Mapping) -> pd.DataFrame:
    """All ages, then a row a decade."""
    keys = ("count", "mae", "mae_ci95", "bias", "within_5", "rmse", "r2")
    rows = {"all": age, **age["by_decade"]}
    table = []
    for name, row in rows.items():
        values = {key: row.get(key) for key in keys}
        low, high = values.pop("mae_ci95")
        table.append({"age_group": name, **values, "mae_low": low, "mae_high": high})
    return pd.DataFrame(table)


def _csv(table: pd.DataFrame, path: Path) -> Path:
    with replacing(path) as temporary:
        table.round(4).to_csv(temporary, index=False)
    return path


def _png(figure, path: Path) -> Path:
    with replacing(path) as temporary:
        figure.savefig(temporary)
    return path
