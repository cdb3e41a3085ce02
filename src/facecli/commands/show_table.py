"""Tables on standard output: with rich on a terminal, plain when piped."""

from collections.abc import Sequence

import click

from facecli.console import tables_wanted


def show_table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), folded: int | None = None) -> None:
    """Prints the header and the rows below it.

    Args:
        rows: of one length; the first is the header.
        right: columns of numbers, which end below each other.
        folded: the column that goes on in the next line on a narrow terminal.
    """
    if not tables_wanted():
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            cells = (
                cell.rjust(width) if column in right else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            click.echo("  ".join(cells).rstrip())
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    header, *body = rows
    table = Table(box=box.SIMPLE)
    for column, name in enumerate(header):
        table.add_column(
            Text(name),
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=folded not in (None, column),
        )
    for row in body:
        # Text: names with [brackets] are not markup.
        table.add_row(*map(Text, row))
    Console().print(table)
