"""The table that `facecli run --img` prints: with rich on a terminal, plain when piped."""

import sys

import click


class TableSink:
    """Prints what was analysed at the end, also of a run that was interrupted."""

    wants_image = False

    def __init__(self, uncertain_below: float, details: bool = False) -> None:
        """Labels less probable than `uncertain_below` read "uncertain"; `details` are all classes."""
        self._uncertain_below, self._details = uncertain_below, details
        self._results: list = []

    def __enter__(self) -> "TableSink":
        return self

    def __exit__(self, *_) -> None:
        # A single failure is said by the error that ends the run.
        if any(result.error is None for result in self._results) or len(self._results) > 1:
            print_table(self._results, self._uncertain_below, self._details)

    def write(self, record) -> None:
        self._results.append(record.result)


def print_table(results: list, uncertain_below: float, details: bool = False) -> None:
    """Writes one table of results to standard output."""
    from facecli.stream.table import face_table, plain_table

    terminal = sys.stdout.isatty()
    between = ("\n" if terminal else ", ") if details else None
    header, *rows = face_table(results, uncertain_below, between)
    if not terminal:
        for line in plain_table([header, *rows]):
            click.echo(line)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=box.SIMPLE)
    for row in rows:
        # Text: names with [brackets] are not markup.
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
