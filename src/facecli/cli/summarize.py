"""`facecli summarize`: the people of many rows as figures; `facecli rows`: the rows of older versions."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

from facecli.cli.options import (
    STDIN,
    check_existing,
    check_targets,
    model_given,
    model_path_option,
    model_type_option,
    text_option,
)
from facecli.cli.output import say, say_written, show_table, show_text, warn, write_text
from facecli.core.console import with_bar
from facecli.core.errors import CheckpointError, FacecliError
from facecli.core.files import GrowingTextFile
from facecli.core.paths import MODEL_FOLDERS, is_stream, replacing

if TYPE_CHECKING:
    from facecli.crowd.rows import Reading

_SHOWN = 3

_BAR = 30
_SHARES = ("head", "class", "people", "as said", "interval", "corrected", "interval")


def read_crowd(files: Sequence[str]) -> tuple[Any, ...]:
    """The crowd and what was read. Warns of damaged and cut lines. Raises InputError."""
    from facecli.crowd.gather import gather
    from facecli.crowd.rows import Reading, read_rows

    reading = Reading()
    crowd = gather(with_bar(read_rows(files, reading), "reading rows"))
    _say_left_out(reading)
    return crowd, reading


def _say_left_out(reading: "Reading") -> None:
    """Warns of damaged and cut lines."""
    for damaged in reading.damaged[:_SHOWN]:
        warn(f"{damaged}; left out")
    if reading.damaged_lines > _SHOWN:
        warn(f"... and {reading.damaged_lines - _SHOWN:,} more lines that are not rows")
    for file in reading.cut:
        name = "standard input" if file == "-" else file
        warn(
            f"the last line of {name} is incomplete and left out: the run was interrupted or is still running"
        )


def raise_if_damaged(reading: "Reading") -> None:
    """Raises FacecliError when lines were left out that are no rows; a cut last line is none of them."""
    if count := reading.damaged_lines:
        lines = "1 line is not a row" if count == 1 else f"{count:,} lines are not rows"
        raise FacecliError(f"{lines}: the result covers the other rows")


def show_figures(found: Mapping[str, Any], heads: Iterable[str]) -> None:
    """Prints the document of `crowd.figures` to standard output; `heads` are those that it has shares of."""
    show_text(_counted(found))
    if found["age"]["count"]:
        show_text("")
        show_text(_median(found["age"]))
        show_table(_histogram(found["age"]["histogram"]), right=(1,))
    if rows := _share_rows(found, heads):
        show_text("")
        show_text("shares, with 90 % intervals")
        show_table([_SHARES, *rows], right=(2, 3, 5))
    if found["notes"]:
        show_text("")
    for note in found["notes"]:
        show_text(f"* {note}")


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


def _share_rows(found: Mapping[str, Any], heads: Iterable[str]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for head in heads:
        for name, share in found[head].items():
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


@click.command()
@click.argument("rows", nargs=-1, required=True, metavar="ROWS...")
@text_option(
    "json", "Write one JSON document to FILE; without FILE, or with -, print it instead of the tables."
)
@click.option(
    "--plot", metavar="FILE", help="Draw charts: .png, .svg or .pdf (needs matplotlib, facecli[plot])."
)
@model_type_option(
    "Model that wrote the rows, if they do not name it: its confusion matrix is used to correct the shares."
)
@model_path_option()
def summarize(rows: tuple[str, ...], json_target: str | None, plot: str | None, **model: str | None) -> None:
    """Count people and summarise their ages and shares, from files that 'facecli run --json' wrote.

    ROWS are such files, of pictures or videos; - is standard input. Each face in a picture is one person, and
    so is each track of a video. Shares are printed as predicted, and corrected with the confusion matrix of
    the model, both with 90 % intervals.

    \b
    Examples:
      facecli summarize rows.jsonl
      facecli summarize monday.jsonl tuesday.jsonl --plot week.png
      facecli summarize rows.jsonl --model-type normal --json
      facecli run --img photos/ --json - | facecli summarize -
    """
    read = ((STDIN if file == "-" else file, "the file of rows itself") for file in rows)
    check_targets({"--json": json_target, "--plot": plot}, read)
    if plot is not None:
        _check_plot(plot)
    given = _load_model(model_given(model)) if _is_given() else None
    crowd, reading = read_crowd(rows)
    known = given or _model_of(reading.models, model_given(model))
    from facecli.crowd.figures import document, figures_of

    figures = figures_of(crowd, known.confusions)
    found = document(figures, reading, known.name, known.age_error)
    if json_target is not None:
        write_text(json_target, json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    if json_target != "-":
        show_figures(found, figures.shares)
    if plot is not None:
        from facecli.crowd.figures import save_plot

        save_plot(Path(plot), figures, known.name or "several models")
        say(f"wrote {plot}")
    raise_if_damaged(reading)


def _check_plot(plot: str) -> None:
    """Before anything is read. Raises InputError or OutputError."""
    from facecli.crowd.figures import check_suffix

    check_suffix(Path(plot))


class _Model(NamedTuple):
    """What is known of the model that wrote the rows: head -> confusion counts, years off on average.

    `name` is "" when several wrote them: nothing is known of all together.
    """

    name: str
    confusions: Mapping[str, Any] = MappingProxyType({})
    age_error: float | None = None


def _is_given() -> bool:
    """Did the user name a model?"""
    source = click.get_current_context().get_parameter_source
    return any(source(name) is not ParameterSource.DEFAULT for name in ("model_type", "model_path"))


def _model_of(named: Mapping[str | None, int], usual: str) -> _Model:
    """The model that rows name; the usual one when they name none, as those of older versions."""
    names = [name for name in named if name is not None]
    if not names:
        return _load_model(usual)
    if len(names) > 1:
        return _Model("")
    if names[0] in ("", "..") or names[0].startswith("~") or Path(names[0]).name != names[0]:
        # Rows hold names. What somebody else has written there opens no folder.
        return _Model(names[0])
    try:
        return _load_model(names[0])
    except CheckpointError:
        return _Model(names[0])


def _load_model(name: str) -> _Model:
    """By name or folder. Raises CheckpointError."""
    from facecli.core.paths import find_model
    from facecli.crowd.correct import load_confusions, typical_age_error
    from facecli.models.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(find_model(name))
    return _Model(checkpoint.name, load_confusions(checkpoint), typical_age_error(checkpoint))


@click.group()
def rows() -> None:
    """Convert files that 'facecli run --json' wrote.

    \b
    Examples:
      facecli rows upgrade old.jsonl --output new.jsonl
    """


@rows.command(short_help="Convert rows of older versions to the current format.")
@click.argument("rows", nargs=-1, required=True, metavar="ROWS...")
@click.option("--output", metavar="FILE", required=True, help="File for all rows; - is standard output.")
@click.option(
    "--model",
    metavar="NAME",
    help="Model of the rows that do not name one (before 2026-11-30), such as facenet.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def upgrade(rows: tuple[str, ...], output: str, model: str | None, overwrite: bool) -> None:
    """Convert rows of older versions to the current format, without duplicates.

    ROWS are files that 'facecli run --json' wrote; - is standard input. Pictures are not analysed again:
    numbers stay as they were, and what an older version did not measure stays unknown. Invalid lines are
    left out and reported.

    \b
    Examples:
      facecli rows upgrade old.jsonl --output new.jsonl
      facecli rows upgrade monday.jsonl tuesday.jsonl --output both.jsonl --model facenet
      facecli rows upgrade old.jsonl --output - | facecli summarize -
    """
    read = ((STDIN if file == "-" else file, "the file of rows itself") for file in rows)
    check_targets({"--output": output}, read)
    check_existing([("--output", None if output == "-" else output)], overwrite)
    from facecli.crowd.rows import Reading, read_rows, upgraded

    reading, name = Reading(), MODEL_FOLDERS.get(model or "", model)
    with _whole_file(output) as write:
        for row in with_bar(read_rows(rows, reading), "reading rows"):
            write(json.dumps(upgraded(row, name), ensure_ascii=False) + "\n")
    _say_left_out(reading)
    again = f"; {reading.repeated:,} stood there twice" if reading.repeated else ""
    say(f"{_count(reading.rows - reading.repeated, 'row', 'rows')}{again}")
    say_written(output)
    raise_if_damaged(reading)


@contextmanager
def _whole_file(target: str) -> Iterator[Callable[[str], object]]:
    """A way to write text to standard output, a pipe, or a file that is there when it is whole.

    Raises OutputError when it cannot be written.
    """
    if target == "-" or is_stream(target):
        with GrowingTextFile(target) as file:
            yield file.write
        return
    with replacing(Path(target)) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as text:
        yield text.write
