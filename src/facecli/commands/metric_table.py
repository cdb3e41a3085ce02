"""The numbers of an evaluation as a table on stdout."""

from collections.abc import Mapping

from facecli.faces import NAMED_HEADS


def show_metrics(metrics: Mapping) -> None:
    """Prints the numbers as a table on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"{metrics['model']} on {metrics['split']}: {metrics['count']} faces", title_justify="left"
    )
    for column in ("head", "measure", "value", "95 % interval", "faces"):
        table.add_column(column, justify="left" if column in ("head", "measure") else "right")
    for row in metric_rows(metrics):
        table.add_row(*row)
    Console().print(table)


def metric_rows(metrics: Mapping) -> list[tuple[str, ...]]:
    """(head, measure, value, interval, faces) of every number in the table."""
    rows = _age_rows(metrics["age"]) if metrics.get("age", {}).get("count") else []
    for head in NAMED_HEADS:
        if metrics.get(head, {}).get("count"):
            rows += _class_rows(head, metrics[head])
    if metrics.get("face", {}).get("count"):
        rows += _refused_rows(metrics["face"])
    return rows


def _age_rows(age: Mapping) -> list[tuple[str, ...]]:
    low, high = age["mae_ci95"]
    worst = min(age["coverage_90_by_band"], key=age["coverage_90_by_band"].get)
    values = {
        "RMSE": f"{age['rmse']:.2f} y",
        "R2": None if age["r2"] is None else f"{age['r2']:.3f}",
        "within 5 years": _percent(age["within_5"]),
        "inside the 90 % interval": _percent(age["coverage_90"]),
        "... before calibration": _percent(age["coverage_90_raw"]),
        f"... at ages {worst}, the worst": _percent(age["coverage_90_by_band"][worst]),
    }
    bands = [
        ("age", f"right band of {name.replace('_', ' ')}", _percent(row["accuracy"]), _range(row), "")
        for name, row in age.get("bands", {}).items()
    ]
    first = ("age", "mean absolute error", f"{age['mae']:.2f} y", f"{low:.2f}-{high:.2f}", str(age["count"]))
    rest = [("age", name, value, "", "") for name, value in values.items() if value is not None]
    return [first, *rest, *bands]


def _class_rows(head: str, row: Mapping) -> list[tuple[str, ...]]:
    return [
        (head, "accuracy", _percent(row["accuracy"]), _range(row), str(row["count"])),
        (head, "macro F1", f"{row['macro_f1']:.3f}", "", ""),
        (head, "calibration error", f"{row['ece']:.3f}", "", ""),
        (head, "... before calibration", f"{row['ece_raw']:.3f}", "", ""),
    ]


def _refused_rows(face: Mapping) -> list[tuple[str, ...]]:
    values = {"faces refused": face["faces_refused"], "others refused": face["not_faces_refused"]}
    return [
        ("face", name, _percent(share), "", str(face["count"]))
        for name, share in values.items()
        if share is not None
    ]


def _range(row: Mapping) -> str:
    low, high = (100 * bound for bound in row["accuracy_ci95"])
    return f"{low:.1f}-{high:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
