"""The numbers of an evaluation as a table on stdout."""

from collections.abc import Mapping

from facecli.faces import FACE_HEADS

Row = tuple[str, str, str, str, str]
"""Head, measure, value, interval, faces."""
_BY_CLASS = ("gender",)
"""Heads of which every class has a row of its own."""


def show_metrics(documents: Mapping[str, Mapping]) -> None:
    """Prints a table for each data set, and the mean over several, on stdout."""
    from rich.console import Console
    from rich.table import Table

    tables = [
        (f"{found['model']} on {name}, {found['split']}: {found['count']} faces", metric_rows(found))
        for name, found in documents.items()
    ]
    if len(documents) > 1:
        tables.append((f"mean over {len(documents)} data sets", mean_rows(documents)))
    for title, rows in tables:
        table = Table(title=title, title_justify="left")
        for column in ("head", "measure", "value", "95 % interval", "faces"):
            table.add_column(column, justify="left" if column in ("head", "measure") else "right")
        for row in rows:
            table.add_row(*row)
        Console().print(table)


def metric_rows(metrics: Mapping) -> list[Row]:
    """Every number in the table."""
    rows = _age_rows(metrics["age"]) if metrics.get("age", {}).get("count") else []
    if metrics.get("age_bins", {}).get("count"):
        rows += _bin_rows(metrics["age_bins"])
    for head in FACE_HEADS:
        if metrics.get(head, {}).get("count"):
            rows += _class_rows(head, metrics[head])
    if metrics.get("face", {}).get("count"):
        rows += _refused_rows(metrics["face"])
    return rows


def mean_rows(documents: Mapping[str, Mapping]) -> list[Row]:
    """The same of the mean over data sets; in place of faces, the sets that have such labels."""
    from facecli.training.evaluate import mean_over_sets

    names = {
        "mae": ("age", "mean absolute error"),
        "in_bin": ("age", "expectation in its bin"),
        "outside": ("age", "years outside the bin"),
        "accuracy": (None, "accuracy"),
    }
    rows = []
    for part, means in mean_over_sets(documents).items():
        for key, value in means.items():
            if key in names:
                head, measure = names[key]
                shown = f"{value:.2f} y" if key in ("mae", "outside") else _percent(value)
                rows.append((head or part, measure, shown, "", _sets(int(means["sets"]))))
    return rows


def _sets(count: int) -> str:
    return "1 set" if count == 1 else f"{count} sets"


def _bin_rows(bins: Mapping) -> list[Row]:
    low, high = (100 * bound for bound in bins["in_bin_ci95"])
    first = ("age", "expectation in its bin", _percent(bins["in_bin"]), f"{low:.1f}-{high:.1f}")
    worst = min(bins["by_bin"], key=lambda name: bins["by_bin"][name]["in_bin"])
    return [
        (*first, str(bins["count"])),
        ("age", f"... at ages {worst}, the worst", _percent(bins["by_bin"][worst]["in_bin"]), "", ""),
        ("age", "years outside the bin", f"{bins['outside']:.2f} y", "", ""),
        ("age", "inside the 90 % interval", _percent(bins["coverage_90"]), "", ""),
    ]


def _age_rows(age: Mapping) -> list[Row]:
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


def _class_rows(head: str, row: Mapping) -> list[Row]:
    classes = [
        (head, f"... of {name}", _percent(of["accuracy"]), _range(of), str(of["count"]))
        for name, of in (row.get("by_class", {}) if head in _BY_CLASS else {}).items()
    ]
    return [
        (head, "accuracy", _percent(row["accuracy"]), _range(row), str(row["count"])),
        *classes,
        (head, "macro F1", f"{row['macro_f1']:.3f}", "", ""),
        (head, "calibration error", f"{row['ece']:.3f}", "", ""),
        (head, "... before calibration", f"{row['ece_raw']:.3f}", "", ""),
    ]


def _refused_rows(face: Mapping) -> list[Row]:
    values = {"faces refused": face["faces_refused"], "others refused": face["not_faces_refused"]}
    return [
        ("face", name, _percent(share), "", str(face["count"]))
        for name, share in values.items()
        if share is not None
    ]


def _range(row: Mapping) -> str:
    if row["accuracy_ci95"] is None:
        return ""
    low, high = (100 * bound for bound in row["accuracy_ci95"])
    return f"{low:.1f}-{high:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
