"""When facecli may draw and speak on a terminal: one place for --quiet, --log-json and colours.

NO_COLOR (https://no-color.org) and FORCE_COLOR (https://force-color.org) are rich's to obey; what is
decided here is whether rich is asked at all.
"""

import os
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

Step = TypeVar("Step")


@dataclass
class OutputPolicy:
    """How the running command speaks on standard error.

    Attributes:
        quiet: errors only.
        log_json: a JSON object a line instead of sentences and bars.
    """

    quiet: bool = False
    log_json: bool = False


OUTPUT_POLICY = OutputPolicy()
"""Set by the door for each command line."""


def printable(text: str) -> str:
    """The text on one line, with escapes for what a terminal would obey or no reader would see.

    Names of files, addresses and models may hold anything: line ends, colours, marks that turn the order
    of what follows, bytes that are no UTF-8. Letters of every language stay, and so do spaces of all widths.
    """
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(letter: str) -> str:
    if letter.isprintable() or unicodedata.category(letter) == "Zs":
        return letter
    return letter.encode("unicode_escape").decode()


def bars_wanted() -> bool:
    """May progress be drawn on standard error?"""
    return is_terminal(sys.stderr) and not (OUTPUT_POLICY.quiet or OUTPUT_POLICY.log_json)


def tables_wanted() -> bool:
    """Is standard output for people (a terminal, or FORCE_COLOR says so)? Else tables are plain text."""
    return is_terminal(sys.stdout) or os.environ.get("FORCE_COLOR", "") != ""


def is_terminal(stream: TextIO | None) -> bool:
    """None is what Python has for a stream that was closed before it began (`facecli ... >&-`)."""
    return stream is not None and stream.isatty()


def stderr_console() -> "Console":
    """A rich console on standard error; it keeps silent when sentences are not wanted there."""
    from rich.console import Console

    return Console(stderr=True, quiet=OUTPUT_POLICY.quiet or OUTPUT_POLICY.log_json)


def with_bar(steps: Iterable[Step], what: str, total: int | None = None) -> Iterable[Step]:
    """The steps of something long, with a bar on a terminal's standard error that goes when they end.

    Args:
        steps: each is done when the next is asked for.
        what: stands before the bar.
        total: how many; by default as many as `steps` says, else the bar only runs.
    """
    if not bars_wanted():
        return steps
    from rich.progress import track

    return track(steps, what, total, console=stderr_console(), transient=True)
