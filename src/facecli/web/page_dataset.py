"""Charts of the data set from the tables that training wrote."""

import csv
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from facecli import paths

log = logging.getLogger(__name__)
NAMES = ("age_group", "gender", "race", "age")
SIDES = ("raw", "adjusted")


class Row(NamedTuple):
    """A class: for each side `count` and `share` as text, and `fill` of the bar in [0, 1]."""

    name: str
    cells: list[dict[str, Any]]


class Chart(NamedTuple):
    """One table of the data set, before and after rebalancing."""

    name: str
    sides: tuple[str, ...]
    rows: list[Row]


def dataset_charts() -> list[Chart]:
    """The charts that can be drawn here; none where nothing was counted."""
    return [chart for name in NAMES if (chart := _chart(name)) is not None]


def statistics_places() -> list[Path]:
    """Where statistics may lie: the user's folder first, then the shipped ones."""
    return [paths.statistics_dir(), *paths.shipped_places("statistics")]


def _chart(name: str) -> Chart | None:
    for place in statistics_places():
        sides = {side: _counts(place / "data_stats" / side / f"{name}.csv") for side in SIDES}
        if any(sides.values()):
            return _built(name, {side: counts for side, counts in sides.items() if counts})
    return None


def _built(name: str, sides: dict[str, dict[str, float]]) -> Chart:
    classes = [one for one in next(iter(sides.values())) if any(counts.get(one) for counts in sides.values())]
    most = {side: max(counts.values()) or 1.0 for side, counts in sides.items()}
    total = {side: sum(counts.values()) or 1.0 for side, counts in sides.items()}
    rows = []
    for one in classes:
        cells = []
        for side, counts in sides.items():
            count = counts.get(one, 0.0)
            share = f"{100 * count / total[side]:.1f} %"
            cells.append({"count": f"{count:,.0f}", "share": share, "fill": round(count / most[side], 4)})
        rows.append(Row(one, cells))
    return Chart(name, tuple(sides), rows)


def _counts(path: Path) -> dict[str, float]:
    """Class -> count; {} for a table that is missing or damaged."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return dict(_pairs(csv.DictReader(file)))
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        log.info("%s is not shown: %r", path, error)
        return {}


def _pairs(rows: csv.DictReader) -> Iterator[tuple[str, float]]:
    for row in rows:
        count = float(row["count"] or 0)
        if not 0 <= count < 1e12:
            raise ValueError(f"a count of {count}")
        yield row["class"], count
