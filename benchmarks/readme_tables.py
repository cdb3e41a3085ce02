"""Writes the measured figures into README.md and docs/ between their markers.

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
    "age_mae": "age error, years",
    "bias": "bias, years",
    "gender_accuracy": "gender, %",
    "race_accuracy": "race, %",
}
NOT_MEASURED = "*Not measured yet: `facecli evaluate` writes what this table is made from.*"


def accuracy_table() -> str:
    """One row a model, its protocol below."""
    measured = {
        path.parent.name: json.loads(path.read_text()) for path in sorted(METRICS.glob("*/metrics.json"))
    }
    if not measured:
        return NOT_MEASURED
    head = [
        "model",
        "age error (years)",
        "within 5 years",
        "gender",
        "race (5 classes)",
        "emotion (7 classes)",
    ]
    rows = [accuracy_row(name, metrics) for name, metrics in measured.items()]
    digests = {metrics["split_digest"][:12] for metrics in measured.values()}
    splits = {metrics["split"] for metrics in measured.values()}
    counts = sorted({f"{metrics['count']:,}" for metrics in measured.values()})
    protocol = (
        f"Protocol: UTKFace, the `{', '.join(sorted(splits))}` split of {' or '.join(counts)} faces (digest "
        f"{', '.join(sorted(digests))}), whole chips, one pass a picture, no test-time augmentation."
    )
    seen = {found["count"] for name in measured if (found := emotion_of(name))}
    if seen:
        protocol += (
            " Emotion: FER2013's PublicTest and what the training part holds of copies of it, "
            f"{' or '.join(f'{count:,}' for count in sorted(seen))} pictures."
        )
    gates = [line for name in measured if (line := gate_line(name, measured[name]))]
    return "\n\n".join([markdown(head, rows), protocol, *gates])


def accuracy_row(name: str, metrics: dict[str, Any]) -> list[str]:
    age, gender, race = (metrics.get(head) for head in ("age", "gender", "race"))
    emotion = emotion_of(name)
    return [
        f"`{name}`",
        f"{age['mae']:.2f} ({interval(age['mae_ci95'], 2)})" if age else "",
        f"{age['within_5']:.1%}" if age else "",
        *(share(head["accuracy"], head["accuracy_ci95"]) if head else "" for head in (gender, race, emotion)),
    ]


def emotion_of(name: str) -> dict[str, Any] | None:
    """What `evaluate --data-path data/fer2013` measured of a model that reads emotions."""
    path = METRICS / name / "fer2013" / "metrics.json"
    return json.loads(path.read_text()).get("emotion") if path.is_file() else None


def gate_line(name: str, metrics: dict[str, Any]) -> str:
    """How many faces a model takes for none, and how much that is none it refuses; "" without that head."""
    refused = (metrics.get("face") or {}).get("faces_refused")
    others = METRICS / name / "not_face" / "metrics.json"
    if refused is None or not others.is_file():
        return ""
    face = json.loads(others.read_text())["face"]
    return (
        f"`{name}` refuses {refused:.1%} of the test faces, and {face['not_faces_refused']:.1%} of "
        f"{face['count']:,} pictures without one."
    )


def share(value: float, bounds: list[float]) -> str:
    return f"{value:.1%} ({interval([100 * bound for bound in bounds], 1)})"


def interval(bounds: list[float], digits: int) -> str:
    low, high = bounds
    return f"{low:.{digits}f} to {high:.{digits}f}"


def group_tables() -> str:
    """A table a model, one row a group, as `evaluate` wrote them."""
    reports = sorted(METRICS.glob("*/group_report.csv"))
    if not reports:
        return NOT_MEASURED
    return "\n\n".join(f"### `{path.parent.name}`\n\n{group_table(path)}" for path in reports)


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
    made = {
        ROOT / "README.md": ("accuracy", accuracy_table),
        ROOT / "docs" / "model_card.md": ("groups", group_tables),
        ROOT / "docs" / "training.md": ("recipe", recipe_table),
    }
    return {
        path: between(path.read_text(encoding="utf-8"), marker, content())
        for path, (marker, content) in made.items()
    }


def main() -> None:
    for path, text in renewed_documents().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
