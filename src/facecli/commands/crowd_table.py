"""A crowd's figures as text for people."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from facecli.commands.show_table import show_table
from facecli.faces import NAMED_HEADS

_BAR = 30
_SHARES = ("head", "class", "people", "as said", "interval", "corrected", "interval")


def show_figures(found: Mapping[str, Any]) -> None:
    """Prints the document of `crowd.document` to standard output."""
    click.echo(_counted(found))
    if found["age"]["count"]:
        click.echo("\n" + _median(found["age"]))
        show_table(_histogram(found["age"]["histogram"]), right=(1,))
    if rows := _share_rows(found):
        click.echo("\nshares, with 90 % intervals")
        show_table([_SHARES, *rows], right=(2, 3, 5))
    if found["notes"]:
        click.echo("")
    for note in found["notes"]:
        click.echo(f"* {note}")


def _counted(found: Mapping[str, Any]) -> str:
    of = []
    if found["pictures"] or not found["frames"]:
        of.append(_count(found["pictures"], "picture", "pictures"))
    if found["frames"]:
        frames, videos = (_count(found[f"{noun}s"], noun, f"{noun}s") for noun in ("frame", "video"))
        of.append(f"{frames} of {videos}")
    beside = [
        _count(found[key], *words)
        for key, words in (
            ("rows_with_error", ("picture with an error", "pictures with an error")),
            ("rejected_faces", ("box that shows no face", "boxes that show no face")),
            ("untracked_faces", ("face without a track", "faces without a track")),
        )
        if found[key]
    ]
    people = _count(found["people"], "person", "people")
    return f"{people} in {' and '.join(of)}" + (f"; not counted: {', '.join(beside)}" if beside else "")


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _median(age: Mapping[str, Any]) -> str:
    interval = age["interval_90"]
    sure = "too few people for an interval" if interval is None else f"90 %: {_span(interval, '{:.1f}')}"
    return (
        f"age: median {age['median_years']:.1f} years ({sure}), of {_count(age['count'], 'person', 'people')}"
    )


def _histogram(histogram: Mapping[str, int]) -> list[Sequence[str]]:
    most = max(histogram.values())
    return [
        ("years", "people", ""),
        *((name, f"{count:,}", "#" * round(_BAR * count / most)) for name, count in histogram.items()),
    ]


def _share_rows(found: Mapping[str, Any]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for head in NAMED_HEADS:
        for name, share in found.get(head, {}).items():
            rows.append(
                (
                    head,
                    name,
                    f"{share['count']:,}",
                    _percent(share["share"]),
                    _percents(share["interval_90"]),
                    _percent(share["corrected_share"]),
                    _percents(share["corrected_interval_90"]),
                )
            )
    return rows


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _percents(interval: Sequence[float] | None) -> str:
    return "" if interval is None else _span([100 * bound for bound in interval], "{:.1f}")


def _span(interval: Sequence[float], form: str) -> str:
    return "-".join(form.format(bound) for bound in interval)
