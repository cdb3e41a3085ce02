"""What could not be analysed, as a table on standard error."""

import sys

import click

from facecli.commands.messages import complain
from facecli.console import MANNERS
from facecli.errors import FacecliError

_SHOWN = 50


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
        from facecli.stream.table import plain_table

        kept = [(printable(source), printable(why)) for source, why in self._kept]
        rows = [("could not be analysed", "why"), *kept]
        if not self.count:
            return
        if MANNERS.log_json:
            for source, why in kept:
                complain(f"{source}: {why}")
        elif sys.stderr.isatty():
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


def printable(text: str) -> str:
    """Text without line ends or anything else that a terminal would obey."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _show_rich(rows: list[tuple[str, str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*rows[0], box=box.SIMPLE)
    for row in rows[1:]:
        table.add_row(*(Text(cell) for cell in row))
    Console(stderr=True).print(table)
