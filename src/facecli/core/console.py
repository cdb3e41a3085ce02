"""When facecli may draw and speak on a terminal: one place for --quiet, --log-json and colours.

NO_COLOR (https://no-color.org) and FORCE_COLOR (https://force-color.org) are rich's to obey; what is
decided here is whether rich is asked at all.
"""

import os
import sys
from dataclasses import dataclass


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


def bars_wanted() -> bool:
    """May progress be drawn on standard error?"""
    return sys.stderr.isatty() and not (OUTPUT_POLICY.quiet or OUTPUT_POLICY.log_json)


def tables_wanted() -> bool:
    """Is standard output for people (a terminal, or FORCE_COLOR says so)? Else tables are plain text."""
    return sys.stdout.isatty() or os.environ.get("FORCE_COLOR", "") != ""


def stderr_console():
    """A rich console on standard error; it keeps silent when sentences are not wanted there."""
    from rich.console import Console

    return Console(stderr=True, quiet=OUTPUT_POLICY.quiet or OUTPUT_POLICY.log_json)
