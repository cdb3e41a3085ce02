"""What commands say: sentences or JSON objects on standard error, tables on standard output."""

import io
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from typing import Any

import click
from click.shell_completion import CompletionItem

from facecli.core.console import (
    OUTPUT_POLICY,
    bars_wanted,
    printable,
    redacted,
    stderr_console,
    tables_wanted,
)
from facecli.core.errors import Deprecation

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)

_KEY, _SAID_KEY = "facecli.manners", "facecli.deprecations"
_PATHS = {"FILE": "file", "PATH": "file", "DIR": "dir", "FOLDER": "dir", "ROWS...": "file", "SOURCE": "file"}
"""What an option's value is called -> what the shell completes it to."""


def say(message: str) -> None:
    """News that nobody has to act on; --quiet leaves it out."""
    if not OUTPUT_POLICY.quiet:
        _write("info", message, message)


def warn(message: str) -> None:
    """Something that may not be as it was meant; --quiet leaves it out."""
    if not OUTPUT_POLICY.quiet:
        _write("warning", message, f"Warning: {message}")


def warn_deprecated(deprecation: Deprecation) -> None:
    """One line for something that is to go, however often it was typed; --quiet leaves it out."""
    context = click.get_current_context(silent=True)
    said = context.find_root().meta.setdefault(_SAID_KEY, set()) if context else set()
    if deprecation not in said:
        said.add(deprecation)
        warn(deprecation.sentence)


def complain(message: str) -> None:
    """What went wrong on the way; always written."""
    _write("error", message, message)


def report_error(message: str, exit_code: int) -> None:
    """Why the command ends with `exit_code`; always written, on one line."""
    message = " ".join(message.split())
    _write("error", message, f"Error: {message}", exit_code=exit_code)


def configure_output(quiet: bool = False, verbose: int = 0, log_json: bool = False) -> None:
    """Decides how this command line speaks, from here on."""
    OUTPUT_POLICY.quiet, OUTPUT_POLICY.log_json = quiet, log_json
    logging.basicConfig(handlers=[_Handler()], force=_is_ours())
    level = logging.ERROR if quiet else _LEVELS[min(verbose, len(_LEVELS) - 1)]
    logging.getLogger("facecli").setLevel(level)


def _is_ours() -> bool:
    """Only the own handler is ever replaced: a program that calls `main` keeps its logging."""
    handlers = logging.getLogger().handlers
    return bool(handlers) and all(isinstance(handler, _Handler) for handler in handlers)


class _Handler(logging.Handler):
    """Log records on the standard error of the moment they come."""

    _format = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            extra = {"logger": record.name}
            traceback = self._format.formatException(record.exc_info) if record.exc_info else ""
            if OUTPUT_POLICY.log_json and traceback:
                extra["traceback"] = traceback
            message = record.getMessage()
            _write(record.levelname.lower(), message, f"{record.levelname} {record.name}: {message}", **extra)
            if traceback and not OUTPUT_POLICY.log_json:
                click.echo("\n".join(map(printable, traceback.splitlines())), err=True)
        except Exception:  # noqa: BLE001 - logging's own rule: a message that cannot be written ends nothing
            self.handleError(record)


def _write(level: str, message: str, sentence: str, **extra: object) -> None:
    """All that is said on standard error goes through here, on one line that no terminal obeys."""
    if not OUTPUT_POLICY.log_json:
        click.echo(printable(sentence), err=True)
        return
    message = printable(message)
    time = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    import json

    click.echo(json.dumps({"time": time, "level": level, "message": message, **extra}), err=True)


def say_written(*targets: str | os.PathLike[str] | None, more: Iterable[str] = ()) -> None:
    """Says where results are.

    Args:
        targets: files; None, standard output, pipes and what is not there are left out.
        more: how other results are called.
    """
    from facecli.core.paths import is_storage_address, is_stream

    files = [os.fspath(target) for target in targets if target is not None and not is_stream(target)]
    there = (redacted(file) for file in files if is_storage_address(file) or os.path.exists(file))
    if written := [*more, *there]:
        say(f"wrote {', '.join(written)}")


def show_text(text: str) -> None:
    """A line of a result for people, on standard output; one for programs is written as it is."""
    click.echo(printable(text))


def report_usage(error: click.ClickException) -> None:
    """Writes what click has to say of a command line, with the usage; what was typed may be anything."""
    text = io.StringIO()
    error.show(text)
    for line in text.getvalue().splitlines():
        click.echo(printable(line.expandtabs(4)), err=True)


def show_table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), folded: int | None = None) -> None:
    """Prints the header and the rows below it.

    Args:
        rows: of one length; the first is the header.
        right: columns of numbers, which end below each other.
        folded: the column that goes on in the next line on a narrow terminal.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
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


def note_terms(detector: str, configs: Iterable[Mapping[str, Any]]) -> None:
    """One line on standard error when a detector may be used for less than all of the models.

    Args:
        detector: its name.
        configs: `config.json` of the models.
    """
    from facecli.detect.registry import find_entry
    from facecli.models.terms import terms_of

    terms = find_entry(detector).terms
    if not terms.is_narrow or any(terms_of(config).is_narrow for config in configs):
        return
    learnt = ", ".join(source.name for source in terms.sources)
    warn(
        f"--detector {detector} is for {terms.may_be_used_for} only (it learnt from {learnt}), though the "
        "model may be used for more; --detector haar may, too"
    )


def write_text(target: str, text: str) -> None:
    """Writes a result to standard output ("-"), or to a file that takes its place when it is whole.

    Raises OutputError when the file cannot be written, BrokenPipeError when standard output is closed.
    """
    if target == "-" and sys.stdout is not None:
        click.echo(text, nl=False)
        return
    from facecli.core.files import GrowingTextFile

    with GrowingTextFile(target) as file:
        file.write(text)


@contextmanager
def download_bar(name: str) -> Iterator[Any]:
    """A callback (bytes so far, total or None) that draws a bar on stderr, on a terminal only."""
    if not bars_wanted():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr_console()) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class PathText(click.types.StringParamType):
    """Text that names a file or a folder: nothing is checked, but the shell completes it."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type=self._kind)]


def with_output_options(command: click.Command) -> click.Command:
    """The command, and all below it, with --quiet, --verbose and --log-json, whoever asks first."""
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    if "--log-json" in known:
        return command
    for option in _options():
        if known.isdisjoint(option.opts):
            command.params.append(option)
    for param in command.params:
        kind = _PATHS.get((param.metavar or "").strip("[]"))
        if kind is not None and type(param.type) is click.types.StringParamType:
            param.type = PathText(kind)
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_output_options(inner)
    return command


def _options() -> list[click.Option]:
    # Eager: what other options have to say while they are read obeys them.
    option = partial(click.Option, expose_value=False, is_eager=True, callback=_take)
    return [
        option(
            ["-q", "--quiet"],
            is_flag=True,
            help="Print only errors on standard error: no messages, no progress bar.",
        ),
        option(["-v", "--verbose"], count=True, help="Print more messages; -vv also shows tracebacks."),
        option(["--log-json"], is_flag=True, help="Print messages as JSON, one object on each line."),
    ]


def _take(ctx: click.Context, param: click.Parameter, value: int | bool) -> None:
    """Remembers what was asked for, before the command's name or after it."""
    if not value:
        return
    asked = ctx.find_root().meta.setdefault(_KEY, {"quiet": False, "verbose": 0, "log_json": False})
    asked[param.name] = value
    configure_output(**asked)
