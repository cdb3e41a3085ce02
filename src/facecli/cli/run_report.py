"""What `facecli run --img` says while it works and at the end: a bar, tables, failures, agreement."""

import contextlib
import dataclasses
import itertools
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from facecli.cli.output import complain, show_text
from facecli.core.console import (
    OUTPUT_POLICY,
    bars_wanted,
    is_terminal,
    printable,
    stderr_console,
    tables_wanted,
)
from facecli.core.errors import FacecliError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn, Task

    from facecli.core.faces import FrameResult
    from facecli.sinks.base import Record

_SHOWN = 50

_AT_ONCE = 200
_SHORTEST = 10
"""Letters of a picture's name, however narrow the terminal is."""
_BETWEEN = 2
"""Spaces between two columns."""


class AgreementSink:
    """Counts, for each two of the compared models, how often they say the same; prints it at the end."""

    wants_image = False

    def __init__(self) -> None:
        """Has seen nothing yet."""
        self._counts: dict[tuple[str, str], Any] = {}

    def __enter__(self) -> "AgreementSink":
        return self

    def __exit__(self, *_: object) -> None:
        if self._counts:
            print_agreement({pair: count.result() for pair, count in self._counts.items()})

    def write(self, record: "Record") -> None:
        """Takes a picture's faces."""
        from facecli.infer.analyzer import AgreementCount

        for face in record.result.faces:
            for (one, said), (other, answered) in itertools.combinations((face.by_model or {}).items(), 2):
                self._counts.setdefault((one, other), AgreementCount()).add(said, answered)


def print_agreement(results: dict[tuple[str, str], Any]) -> None:
    """Writes a line for each pair of models to standard output."""
    from facecli.core.faces import percent

    show_text("")
    for (one, other), result in results.items():
        said = [] if result.age_difference is None else [f"ages {result.age_difference:.1f} years apart"]
        said += [f"same {head} {percent(share)}" for head, share in result.same.items()]
        faces = "1 face" if result.faces == 1 else f"{result.faces} faces"
        show_text(f"{one} and {other}, {faces}: {', '.join(said) or 'no head in common'}")


class Failures:
    """Counts them, and keeps the first ones to show."""

    def __init__(self) -> None:
        self.count: int = 0
        self._kept: list[tuple[str, str]] = []

    def add(self, source: str, error: str) -> None:
        """Takes one picture that could not be analysed."""
        self.count += 1
        if len(self._kept) < _SHOWN:
            # Beside its name the reason need not begin with it.
            self._kept.append((source, error.removeprefix(f"{source} ")))

    def show(self) -> None:
        """Writes the table, nothing without a failure."""
        from facecli.sinks.table import plain_table

        kept = [(printable(source), printable(why)) for source, why in self._kept]
        rows = [("could not be analysed", "why"), *kept]
        if not self.count:
            return
        if OUTPUT_POLICY.log_json:
            for source, why in self._kept:
                complain(f"{source}: {why}")
        elif is_terminal(sys.stderr):
            _show_rich(rows)
        else:
            # A note widens no column: the header has one, too.
            for line in plain_table(rows):
                click.echo(line, err=True)
        if self.count > _SHOWN:
            complain(f"... and {self.count - _SHOWN:,} more; the rows hold each 'error'")

    def raise_if_any(self, total: int) -> None:
        """Raises FacecliError, which gives the exit code."""
        if self.count:
            raise FacecliError(f"{self.count} of {total} pictures could not be analysed")


def _show_rich(rows: list[tuple[str, str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(*(Column(name, overflow="fold") for name in rows[0]), box=box.SIMPLE)
    for row in rows[1:]:
        table.add_row(*(Text(cell) for cell in row))
    Console(stderr=True).print(table)


class PictureBar:
    """On a terminal's standard error, for more than one picture; nothing elsewhere."""

    def __init__(self, total: int | None) -> None:
        """`total` pictures; None when nobody knows."""
        self._progress = None
        if total == 1 or not bars_wanted():
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress

        self._progress = Progress(
            "pictures",
            BarColumn(),
            MofNCompleteColumn(),
            _pace_column(),
            console=stderr_console(),
            transient=True,
        )
        self._task = self._progress.add_task("pictures", total=total)

    def __enter__(self) -> "PictureBar":
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def advance(self) -> None:
        """One more picture is done."""
        if self._progress is not None:
            self._progress.advance(self._task)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Out of the way of what is printed in the block."""
        if self._progress is None:
            yield
            return
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()


def format_pace(done: int, total: int | None, elapsed_s: float | None) -> str:
    """How fast it goes on the whole, and how long the rest will take: "12.5 a second, 0:01:20 left".

    Pictures are done in bursts, of a batch each: rates of the last moments would jump.
    """
    if not done or not elapsed_s:
        return ""
    rate = done / elapsed_s
    text = f"{rate:,.1f} a second"
    return text if total is None else f"{text}, {timedelta(seconds=round((total - done) / rate))} left"


def _pace_column() -> "ProgressColumn":
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Pace(ProgressColumn):
        def render(self, task: "Task") -> Text:
            total = None if task.total is None else int(task.total)
            return Text(format_pace(int(task.completed), total, task.elapsed))

    return Pace()


class TableSink:
    """Prints what was analysed, some hundred pictures at a time, also of a run that was interrupted."""

    wants_image = False

    def __init__(self, details: bool = False, bar: PictureBar | None = None) -> None:
        """Takes what a table needs.

        Args:
            details: say all classes.
            bar: is `paused` while something is printed.
        """
        self._details, self._bar = details, bar
        self._results: list[Any] = []
        self._header: tuple[Any, ...] | None = None

    def __enter__(self) -> "TableSink":
        return self

    def __exit__(self, *_: object) -> None:
        # A single failure is said by the error that ends the run.
        is_alone = self._header is None and len(self._results) == 1
        if self._results and not (is_alone and self._results[0].error is not None):
            self._print()

    def write(self, record: "Record") -> None:
        """Takes a picture's result."""
        self._results.append(record.result)
        if len(self._results) >= _AT_ONCE:
            with self._bar.paused() if self._bar is not None else contextlib.nullcontext():
                self._print()

    def _print(self) -> None:
        self._header = print_table(self._results, self._details, self._header)
        self._results = []


def print_table(
    results: list[Any], details: bool = False, printed: tuple[Any, ...] | None = None
) -> tuple[Any, ...]:
    """Writes a table of results to standard output; gives back its header.

    `printed` is the header of what stands above: a plain table repeats only another one.
    """
    from facecli.sinks.table import face_table, plain_table

    terminal = tables_wanted()
    between = ("\n" if terminal else ", ") if details else None
    # On a terminal reasons follow in the table of failures.
    header, *rows = face_table([_printable(result) for result in results], between, says_why=not terminal)
    if not terminal:
        lines = iter(plain_table([header, *rows]))
        first = next(lines)
        for line in lines if header == printed else (first, *lines):
            show_text(line)
    else:
        _print_rich(header, rows)
    return header


def _printable(result: "FrameResult") -> "FrameResult":
    """The result, with names and errors that no terminal obeys."""
    error = result.error if result.error is None else printable(result.error)
    return dataclasses.replace(result, source=printable(result.source), error=error)


def _print_rich(header: tuple[Any, ...], rows: list[Any]) -> None:
    """A table; what is too wide for the terminal is a list for each face, and no word is cut."""
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from facecli.sinks.table import fit_path

    console = Console()
    lines = [[cell.split("\n") for cell in row] for row in rows]
    columns = zip([[name] for name in header], *lines, strict=True)
    widths = [max(cell_len(line) for cell in column for line in cell) for column in columns]
    # Of the picture's name the end tells more.
    room = console.width - sum(widths[:-1]) - _BETWEEN * len(header)
    if room < min(widths[-1], _SHORTEST):
        _print_lists(console, header, rows)
        return
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, _BETWEEN - 1, 0, 0))
    for name in header:
        table.add_column(name, no_wrap=True)
    for *cells, name in lines:
        # Text: names with [brackets] are not markup.
        shown = [Text("\n".join(map(printable, cell))) for cell in cells]
        table.add_row(*shown, Text(fit_path(name[0], room)))
    console.print(table)


def _print_lists(console: "Console", header: tuple[Any, ...], rows: list[Any]) -> None:
    """Each face in lines of its own, for terminals that are too narrow for a table."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    named = max(len(about) for about in header) + 2 * _BETWEEN
    for number, *cells, name in rows:
        console.print(Text(f"{name}, face {number}" if number[:1].isdigit() else f"{name}: {number}"))
        grid = Table.grid(padding=(0, _BETWEEN, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for about, cell in zip(header[1:-1], cells, strict=True):
            if cell:
                parts = [printable(part) for part in cell.split("\n")]
                grid.add_row(Text(about), Text(_lines_of(parts, console.width - named)))
        console.print(Padding(grid, (0, 0, 1, _BETWEEN)))


def _lines_of(parts: list[str], width: int) -> str:
    """The parts with commas between, in lines; none is broken in two."""
    lines = [""]
    for place, part in enumerate(parts):
        part += "," if place + 1 < len(parts) else ""
        if lines[-1] and len(lines[-1]) + 1 + len(part) > width:
            lines.append("")
        lines[-1] += f" {part}" if lines[-1] else part
    return "\n".join(lines)
