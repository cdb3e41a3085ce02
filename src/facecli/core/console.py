"""What people may be shown: addresses without their secrets, names on one line, bars where a terminal is.

--quiet, --log-json and colours are decided here alone. NO_COLOR (https://no-color.org) and FORCE_COLOR
(https://force-color.org) are rich's to obey; what is decided is whether rich is asked at all.
"""

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

HIDDEN = "***"
"""Stands where something was left out."""
# Patterns are compiled when the first address is shown: `--help` shows none.
_START = r"(?i)\A[a-z][a-z0-9+.-]+:/+|://+"
"""Also "rtsp:/host", which is mistyped and has its password all the same."""
_DATA = r"(?is)data:(?:[^,]{0,60},)?(?=.{40})"
"""The head of an address that is itself the content (RFC 2397), which may be megabytes long."""
_PLACE = "[/?#]"
"""Ends the host."""
_NAMED = "(?<![^/?&#;=])([^/?&#;=]*)="
_SECRET = (
    r"pas|pwd|psw|secret|token|credential|signature|hmac|session|bearer|jwt|api.?key|access.?key|auth(?!or)"
    r"|user|usr|login|(?:\A|[^a-z])(?:key|sig|sid|pin|code|pw|sas|ticket)\Z"
)
"""Fits what stands before "=" in addresses of cameras and in signed ones, in small letters."""
_MOST_QUOTED = 3
"""So often an address within an address may have been quoted."""


def redacted(given: str) -> str:
    """What messages, rows, logs and file names show of what was given.

    A login goes with all that stands before its "@". Where a password is not quoted and has "@", "/", "?"
    or "#" in it, nobody can tell where it ends: then everything up to the last "@" is hidden, the host
    perhaps, too. Behind the first name of a secret and its "=", in path, query or fragment, all is hidden
    likewise: a password may hold "&". Of "data:" addresses the head is kept. Keys of object storage are kept
    up to a "?": "s3://photos/user=7/a.jpg" is how tables are laid out there, and tells objects apart.

    Args:
        given: an address; anything else is given back as it is.
    """
    if data := re.match(_DATA, given):
        return f"{data[0]}..."
    start = re.search(_START, given)
    if start is None:
        return given
    # Here and below not above: `--help` has no addresses.
    from facecli.core.paths import is_storage_address

    visible = _visible_key if is_storage_address(given) else _visible
    return given[: start.end()] + visible(given[start.end() :])


def _visible_key(rest: str) -> str:
    """Of what follows "s3://": a login stands before the bucket, a signature behind "?"."""
    bucket = rest.partition("/")[0]
    if ":" in bucket:
        # A key of AWS may hold "/", and no bucket's name has a colon.
        end = rest.rfind("@") + 1
        return f"{HIDDEN}@{rest[end:]}" if end else HIDDEN
    end = bucket.rfind("@") + 1
    if rest[:end] == f"{HIDDEN}@":
        end = 0
    elif end and end == len(bucket):
        # No bucket is named: what follows may be anything.
        return HIDDEN
    mark = rest.find("?", end)
    secret = _secret_start(rest[mark:]) if mark >= 0 else None
    return rest[end:] if secret is None else f"{rest[end : mark + secret]}{HIDDEN}"


def _visible(rest: str) -> str:
    """Of what follows "://"."""
    begin, end = _login_end(rest), _secret_start(rest)
    if end is not None and end < begin:
        return HIDDEN
    # What was shown before stays as it is.
    marked = re.search(_PLACE, rest[:begin]) or rest[:begin] == f"{HIDDEN}@"
    login = f"{HIDDEN}@" if marked else ""
    if end is not None:
        return f"{login}{rest[begin:end]}{HIDDEN}"
    shown = f"{login}{rest[begin:]}"
    return f"{shown[: shown.index('%')]}{HIDDEN}" if _has_quoted_secret(rest[begin:]) else shown


def _login_end(rest: str) -> int:
    """Where "user:password@" ends; 0 without one, as in "host/photo@2x.jpg"."""
    place = re.search(_PLACE, rest)
    end = rest.rfind("@") + 1
    if not (end and ("@" in rest[: place.start() if place else None] or ":" in rest[:end])):
        end = 0
    # A login that was quoted as a whole, perhaps behind another one.
    quoted = rest.find(":", end), rest.rfind("%40")
    return quoted[1] + 3 if end <= quoted[0] < quoted[1] else end


def _secret_start(rest: str) -> int | None:
    """Where the value of the first secret begins, behind the host; None without one."""
    from urllib.parse import unquote

    place = re.search(_PLACE, rest)
    for named in re.compile(_NAMED).finditer(rest, place.start()) if place else ():
        if re.search(_SECRET, unquote(named[1]).lower()):
            return named.end()
    return None


def _has_quoted_secret(rest: str) -> bool:
    """Does an address within this one hold a login or a secret?"""
    from urllib.parse import unquote

    plain = rest
    for _ in range(_MOST_QUOTED):
        plain = unquote(plain)
        inner = plain.partition("://")[2]
        if plain != rest and (_secret_start(plain) is not None or _login_end(inner)):
            return True
    return False


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
    import unicodedata

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
