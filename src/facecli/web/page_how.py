"""What is known of each model, from its folder and from what evaluation wrote."""

import csv
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facecli.models.catalogue import Entry
from facecli.report.cautions import measured
from facecli.web.page_dataset import statistics_places

log = logging.getLogger(__name__)
_COLUMNS = {
    "age_mae": (1, "{:.1f}"),
    "bias": (1, "{:+.1f}"),
    "gender_accuracy": (100, "{:.1f}"),
    "race_accuracy": (100, "{:.1f}"),
}
_FEWEST = 100
"""Faces of a group: fewer say little."""


def model_sections(entries: Mapping[str, Entry]) -> list[dict[str, Any]]:
    """A section for each model: name, facts, measured, structure (or None), groups."""
    return [
        {
            "name": name,
            "facts": _facts(entry),
            "measured": measured(entry.metrics),
            "structure": _structure(entry.name),
            "groups": _groups(entry.name),
        }
        for name, entry in entries.items()
    ]


def _facts(entry: Entry) -> str:
    config = entry.config
    height, width = config["image_size"]
    return (
        f"{', '.join(config['heads'])}; takes {width} x {height} pixels; {entry.network_bytes / 1e6:.1f} MB."
    )


def _find(model: str, name: str) -> Path | None:
    found = (place / "model_metrics" / model / name for place in statistics_places())
    return next((path for path in found if path.is_file()), None)


def _structure(model: str) -> str | None:
    path = _find(model, "structure.txt")
    return None if path is None else path.read_text(encoding="utf-8", errors="replace")


def _groups(model: str) -> list[tuple[str, ...]]:
    """Rows of the table by group; [] when there is none, or it cannot be read."""
    path = _find(model, "fairness_report.csv")
    if path is None:
        return []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return [_group(row) for row in csv.DictReader(file) if int(row["count"]) >= _FEWEST]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        log.info("%s is not shown: %r", path, error)
        return []


def _group(row: Mapping[str, str]) -> tuple[str, ...]:
    """Its name, how many faces, and the figures as text; blank is what was not measured."""
    figures = (
        form.format(factor * float(row[name])) if row[name] else ""
        for name, (factor, form) in _COLUMNS.items()
    )
    return row["group"], f"{int(row['count']):,}", *figures
