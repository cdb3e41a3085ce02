"""What `facecli run --img` says while it works and at the end: a bar, tables, failures, agreement."""

import contextlib
import dataclasses
import itertools
import sys
from collections.abc import Iterator
from datetime import timedelta

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

_SHOWN = 50

_AT_ONCE = 200
_SHORTEST = 16


class AgreementSink:
    """Counts, for each two of the compared models, how often they say the same; prints it at the end."""

    wants_image = False

    def __init__(self) -> None:
        """Has seen nothing yet."""
        self._counts: dict = {}

    def __enter__(self) -> "AgreementSink":
        return self

    def __exit__(self, *_) -> None:
        if self._counts:
            print_agreement({pair: count.result() for pair, count in self._counts.items()})

    def write(self, record) -> None:
        """Takes a picture's faces."""
        from facecli.infer.compare import AgreementCount

        for face in record.result.faces:
            for (one, said), (other, answered) in itertools.combinations((face.by_model or {}).items(), 2):
                self._counts.setdefault((one, other), AgreementCount()).add(said, answered)


def print_agreement(results: dict) -> None:
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
        self.count = 0
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
    from rich.table import Table
    from rich.text import Text

    table = Table(*rows[0], box=box.SIMPLE)
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

    def __exit__(self, *_) -> None:
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


def _pace_column():
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Pace(ProgressColumn):
        def render(self, task) -> Text:
            total = None if task.total is None else int(task.total)
            return Text(format_pace(int(task.completed), total, task.elapsed))

    return Pace()


class TableSink:
    """Prints what was analysed, some hundred pictures at a time, also of a run that was interrupted."""

    wants_image = False

    def __init__(self, details: bool = False, bar=None) -> None:
        """Takes what a table needs.

        Args:
            details: say all classes.
            bar: is `paused` while something is printed.
        """
        self._details, self._bar = details, bar
        self._results: list = []
        self._header: tuple | None = None

    def __enter__(self) -> "TableSink":
        return self

    def __exit__(self, *_) -> None:
        # A single failure is said by the error that ends the run.
        is_alone = self._header is None and len(self._results) == 1
        if self._results and not (is_alone and self._results[0].error is not None):
            self._print()

    def write(self, record) -> None:
        """Takes a picture's result."""
        self._results.append(record.result)
        if len(self._results) >= _AT_ONCE:
            with self._bar.paused() if self._bar is not None else contextlib.nullcontext():
                self._print()

    def _print(self) -> None:
        self._header = print_table(self._results, self._details, self._header)
        self._results = []


def print_table(results: list, details: bool = False, printed: tuple | None = None) -> tuple:
    """Writes a table of results to standard output; gives back its header.

    `printed` is the header of what stands above: a plain table repeats only another one.
    """
    from facecli.sinks.table import face_table, plain_table

    terminal = tables_wanted()
    between = ("\n" if terminal else ", ") if details else None
    header, *rows = face_table([_printable(result) for result in results], between)
    if not terminal:
        lines = iter(plain_table([header, *rows]))
        first = next(lines)
        for line in lines if header == printed else (first, *lines):
            show_text(line)
    else:
        _print_rich(header, rows)
    return header


def _printable(result):
    """The result, with names and errors that no terminal obeys."""
    error = result.error if result.error is None else printable(result.error)
    return dataclasses.replace(result, source=printable(result.source), error=error)


def _print_rich(header: tuple, rows: list) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=box.SIMPLE)
    table.add_column(header[0], no_wrap=True)
    for name in header[1:]:
        table.add_column(name, min_width=5)
    for name, face, *cells in rows:
        # Of a long path the end tells more; reasons follow in the table of failures.
        name = shortened(name, max(console.width // 4, _SHORTEST))
        face = "error" if face.startswith("error: ") else face
        # Text: names with [brackets] are not markup.
        table.add_row(*(Text("\n".join(map(printable, cell.split("\n")))) for cell in (name, face, *cells)))
    console.print(table)


def shortened(name: str, length: int) -> str:
    """The name, or its end after an ellipsis when it has more than `length` characters."""
    return name if len(name) <= length else f"\u2026{name[len(name) - length + 1 :]}"
