"""The table that `facecli run --img` prints: with rich on a terminal, plain when piped."""

import contextlib
import dataclasses

import click

from facecli.commands.run_failures import printable
from facecli.console import tables_wanted

_AT_ONCE = 200
_SHORTEST = 16


class TableSink:
    """Prints what was analysed, some hundred pictures at a time, also of a run that was interrupted."""

    wants_image = False

    def __init__(self, uncertain_below: float, details: bool = False, bar=None) -> None:
        """Takes what a table needs.

        Args:
            uncertain_below: labels less probable than this read "uncertain".
            details: say all classes.
            bar: is `paused` while something is printed.
        """
        self._uncertain_below, self._details, self._bar = uncertain_below, details, bar
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
        self._header = print_table(self._results, self._uncertain_below, self._details, self._header)
        self._results = []


def print_table(
    results: list, uncertain_below: float, details: bool = False, printed: tuple | None = None
) -> tuple:
    """Writes a table of results to standard output; gives back its header.

    `printed` is the header of what stands above: a plain table repeats only another one.
    """
    from facecli.stream.table import face_table, plain_table

    terminal = tables_wanted()
    between = ("\n" if terminal else ", ") if details else None
    header, *rows = face_table([_printable(result) for result in results], uncertain_below, between)
    if not terminal:
        lines = iter(plain_table([header, *rows]))
        first = next(lines)
        for line in lines if header == printed else (first, *lines):
            click.echo(line)
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
        table.add_row(*(Text(cell) for cell in (name, face, *cells)))
    console.print(table)


def shortened(name: str, length: int) -> str:
    """The name, or its end after an ellipsis when it has more than `length` characters."""
    return name if len(name) <= length else f"\u2026{name[len(name) - length + 1 :]}"
