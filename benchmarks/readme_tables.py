"""Writes the measured figures into docs/ between their markers.

    python benchmarks/readme_tables.py

Reads what `facecli evaluate` and training left: statistics/model_metrics/<model>/metrics.json
and group_report.csv, and saved_model/<model>/config.json. tests/test_readme.py asserts
that the documents equal what this script would write. Standard library only.
"""

import csv
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
METRICS = ROOT / "statistics" / "model_metrics"
MODELS = ROOT / "saved_model"
GROUP_FACES = 20
GROUP_MEASURES = {
    "age_mae": "age MAE, years",
    "bias": "bias, years",
    "gender_accuracy": "gender, %",
    "race_accuracy": "race, %",
}
SETS = {
    "fairface": "FairFace, 39,460 crops of its training part with margin 0.25, used whole and split by group",
    "UTKFace": "UTKFace, 20,137 of its 23,707 chips (aligned face crops), split by group",
    "fer2013": "FER2013, its PublicTest and the copies of its pictures in the training part",
}
"""Data sets of the accuracy table -> what they are; pictures in the wild first."""
HEAD = ["data set", "model", "age", "gender", "women / men", "race (5)", "race (7)", "emotion (7)"]
PROTOCOL = (
    "One forward pass for each picture, without a mirrored copy and without a detector. Brackets: 95 % "
    "bootstrap intervals. Where a data set has age bands, an age is correct when, rounded to years, it lies "
    "in the band."
)
NOT_MEASURED = "*Not measured yet: `facecli evaluate` writes what this table is made from.*"


def measurements() -> list[dict[str, Any]]:
    """What `facecli evaluate` left of whole test splits, the pictures nearest to users' own first."""
    found = []
    for path in sorted([*METRICS.glob("*/metrics.json"), *METRICS.glob("*/*/metrics.json")]):
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if metrics["split"] == "test" and path.parent.name not in ("val", "train", "all"):
            model, *of = path.parent.relative_to(METRICS).parts
            # Before there were several sets a model's own was UTKFace.
            found.append({**metrics, "model": model, "data": metrics.get("data", of[0] if of else "UTKFace")})
    places = {name: place for place, name in enumerate(SETS)}
    return sorted(found, key=lambda metrics: (places.get(metrics["data"], len(SETS)), metrics["model"]))


def accuracy_table() -> str:
    """A row for each shipped model and data set, the protocol below."""
    shown = [row for row in measurements() if row["data"] in SETS and is_shipped(row["model"])]
    if not shown:
        return NOT_MEASURED
    rows = [accuracy_row(metrics) for metrics in shown]
    present = [name for name in SETS if any(row["data"] == name for row in shown)]
    protocol = " ".join(protocol_of(name, shown) for name in present)
    gates = [line for model in sorted({row["model"] for row in shown}) if (line := gate_line(model, shown))]
    return "\n\n".join([markdown(HEAD, rows), f"Protocol: {protocol} {PROTOCOL}", *gates])


def is_shipped(model: str) -> bool:
    return (MODELS / model / "model.tflite").is_file()


def protocol_of(name: str, shown: list[dict[str, Any]]) -> str:
    """Which pictures of a set, in one sentence."""
    of = [row for row in shown if row["data"] == name]
    counts = sorted({f"{row['count']:,}" for row in of})
    digests = sorted({row["split_digest"][:12] for row in of})
    return (
        f"{SETS[name]}; the `test` split of {' or '.join(counts)} pictures (digest {' or '.join(digests)})."
    )


def accuracy_row(metrics: dict[str, Any]) -> list[str]:
    classes = ("gender", "race", "race_7", "emotion")
    gender, *others = (accuracy_cell(metrics.get(head) or {}) for head in classes)
    return [metrics["data"], f"`{metrics['model']}`", age_cell(metrics), gender, sexes_cell(metrics), *others]


def accuracy_cell(row: dict[str, Any]) -> str:
    return share(row["accuracy"], row["accuracy_ci95"]) if row.get("count") else ""


def age_cell(metrics: dict[str, Any]) -> str:
    """The mean error where years are known, else how many are in their bin."""
    age, bins = metrics.get("age") or {}, metrics.get("age_bins") or {}
    if age.get("count"):
        return f"{age['mae']:.2f} years ({interval(age['mae_ci95'], 2)})"
    return f"{share(bins['in_bin'], bins['in_bin_ci95'])} in the right band" if bins.get("count") else ""


def sexes_cell(metrics: dict[str, Any]) -> str:
    by_class = (metrics.get("gender") or {}).get("by_class") or {}
    return " / ".join(f"{by_class[name]['accuracy']:.1%}" for name in ("female", "male") if name in by_class)


def gate_line(model: str, shown: list[dict[str, Any]]) -> str:
    """How much that is none a model refuses, and how many faces of each set; "" without that head."""
    others = next(iter(sorted((METRICS / model).glob("not_face*/metrics.json"))), None)
    refused = {
        row["data"]: row["face"]["faces_refused"]
        for row in shown
        if row["model"] == model and (row.get("face") or {}).get("faces_refused") is not None
    }
    if not refused or others is None:
        return ""
    face = json.loads(others.read_text())["face"]
    faces = ", ".join(f"{share:.1%} ({name})" for name, share in refused.items())
    return (
        f"`{model}` rejects {face['not_faces_refused']:.1%} of {face['count']:,} pictures without a face, "
        f"and of the test faces {faces}."
    )


def share(value: float, bounds: list[float]) -> str:
    return f"{value:.1%} ({interval([100 * bound for bound in bounds], 1)})"


def interval(bounds: list[float], digits: int) -> str:
    low, high = bounds
    return f"{low:.{digits}f} to {high:.{digits}f}"


def report_of(model: str, data: str, file: str) -> Path | None:
    """A table that `facecli evaluate` wrote of a model on a data set; None where there is none."""
    for row in measurements():
        if (row["model"], row["data"]) == (model, data):
            for folder in (METRICS / model / data, METRICS / model):
                if (folder / file).is_file():
                    return folder / file
    return None


def shipped_reports(data: str, file: str) -> dict[str, Path]:
    """Shipped model -> its table of a data set."""
    models = sorted({row["model"] for row in measurements() if is_shipped(row["model"])})
    return {model: path for model in models if (path := report_of(model, data, file))}


def group_tables() -> str:
    """A table a model of UTKFace's faces, one row a group, as `evaluate` wrote them."""
    reports = shipped_reports("UTKFace", "group_report.csv")
    if not reports:
        return NOT_MEASURED
    return "\n\n".join(f"### `{model}`\n\n{group_table(path)}" for model, path in reports.items())


def wild_table() -> str:
    """FairFace's faces by sex and race: how many are recognised, all shipped models side by side."""
    reports = shipped_reports("fairface", "fairness_report.csv")
    if not reports:
        return NOT_MEASURED
    groups: dict[str, list[str]] = {}
    for path in reports.values():
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["slice"] == "gender x race_7"]
        for row in rows:
            cells = groups.setdefault(row["group"].replace("_", " "), [row["count"]])
            cells.append(measure(row, "gender_accuracy"))
    head = ["gender and race", "faces", *(f"gender, %, `{model}`" for model in reports)]
    return markdown(head, [[name, *cells] for name, cells in groups.items()])


def group_table(path: Path) -> str:
    """Groups of GROUP_FACES faces or more, a measure and its interval in one cell."""
    with path.open(encoding="utf-8", newline="") as file:
        groups = [row for row in csv.DictReader(file) if int(row["count"]) >= GROUP_FACES]
    labels = ("gender", "race", "age_band", "count")
    measures = [name for name in GROUP_MEASURES if groups and name in groups[0]]
    rows = [[row[name] for name in labels] + [measure(row, name) for name in measures] for row in groups]
    return markdown([*labels[:2], "age", "faces", *(GROUP_MEASURES[name] for name in measures)], rows)


def measure(row: dict[str, str], name: str) -> str:
    scale, digits = (100, 0) if name.endswith("accuracy") else (1, 1)
    value = f"{scale * float(row[name]):.{digits}f}"
    bounds = [row.get(f"{name}_{end}") for end in ("low", "high")]
    if not all(bounds):
        return value
    return f"{value} ({interval([scale * float(bound) for bound in bounds], digits)})"


def recipe_table() -> str:
    """One row a shipped model: what made it."""
    configs = [json.loads(path.read_text()) for path in sorted(MODELS.glob("*/config.json"))]
    if not configs:
        return "*No model is in the repository yet.*"
    rows = [
        [f"`{config['name']}`", f"`{config['command']}`", str(config["seed"]), minutes(config["duration_s"])]
        for config in configs
    ]
    return markdown(["model", "command", "seed", "duration"], rows)


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def between(text: str, marker: str, content: str) -> str:
    """Text with `content` between `<!-- marker:begin -->` and `<!-- marker:end -->`.

    Raises ValueError when the markers are not there, once each.
    """
    begin, end = f"<!-- {marker}:begin -->", f"<!-- {marker}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"the markers {begin} and {end} must be there once each")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content}\n{end}{rest.split(end)[1]}"


def renewed_documents() -> dict[Path, str]:
    """Path -> what each document should say."""
    card = {"accuracy": accuracy_table, "wild": wild_table, "groups": group_tables}
    made = {
        ROOT / "docs" / "accuracy.md": {"accuracy": accuracy_table},
        ROOT / "docs" / "model_card.md": card,
        ROOT / "docs" / "training.md": {"recipe": recipe_table},
    }
    renewed = {}
    for path, parts in made.items():
        renewed[path] = path.read_text(encoding="utf-8")
        for marker, content in parts.items():
            renewed[path] = between(renewed[path], marker, content())
    return renewed


def main() -> None:
    for path, text in renewed_documents().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
