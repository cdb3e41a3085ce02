"""Matches of `facecli search` on standard output: a table for people, JSON lines or CSV."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from facecli.commands.show_table import show_table
from facecli.faces import NAMED_HEADS

_COLUMNS = (
    "rank", "probability", "source", "rows", "face", "track", "first_s", "last_s", "time_s", "frames",
    "x_min", "y_min", "x_max", "y_max", "age_years", "age_low", "age_high", "age_group",
    *(name for head in NAMED_HEADS for name in (head, f"{head}_probability")),
)  # fmt: skip
Rows = Sequence[Mapping[str, Any]]


def plain(text: str) -> str:
    """The text without characters that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def show_matches(found: Rows) -> None:
    """Prints a table of `crowd.rank.match_row`s; nothing without any."""
    if not found:
        return
    heads = [head for head in NAMED_HEADS if any(head in row for row in found)]
    header = ("rank", "prob", "source", "face", "age", *heads)
    show_table([header, *(_cells(row, heads) for row in found)], right=(0, 1, 4), folded=2)


def _cells(row: Mapping[str, Any], heads: Sequence[str]) -> tuple[str, ...]:
    if "track" in row:
        place = f"track {row['track']}, {row['first_s']:.1f}-{row['last_s']:.1f} s"
    else:
        place = str(row["face"])
    return (
        str(row["rank"]),
        f"{row['probability']:.3f}",
        plain(row["source"]),
        place,
        f"{row['age_years']:.1f}" if "age_years" in row else "",
        *(f"{row[head]} {100 * row[f'{head}_probability']:.0f}%" if head in row else "" for head in heads),
    )


def show_json(found: Rows) -> None:
    """Prints a JSON object a line."""
    for row in found:
        click.echo(json.dumps(row, ensure_ascii=False))


def show_csv(found: Rows) -> None:
    """Prints a header and a row a match (RFC 4180); cells of what is not known are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    for row in found:
        low, high = row.get("age_interval_90", ("", ""))
        box = dict(zip(("x_min", "y_min", "x_max", "y_max"), row["box_xyxy"], strict=True))
        writer.writerow({**row, **box, "age_low": low, "age_high": high})
    click.echo(text.getvalue(), nl=False)
