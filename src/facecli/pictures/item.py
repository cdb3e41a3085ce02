"""One picture that is going to be read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from facecli.errors import ImageError
from facecli.redaction import redacted


@dataclass(frozen=True, slots=True)
class Item:
    """A picture by name, before it is read.

    Attributes:
        source: what rows and messages call it; text that can be written as UTF-8.
        target_name: see `record.Record`.
        load: gives the encoded picture's bytes, in any thread; raises ImageError.
    """

    source: str
    target_name: str
    load: Callable[[], bytes]


def failed(source: str, target_name: str, reason: str) -> Item:
    """What stands for something that was asked for and is no picture: a row with `error`."""

    def load() -> NoReturn:
        raise ImageError(reason)

    return Item(source, target_name, load)


def as_text(path: Path | str) -> str:
    """A path as text that every file can hold: bytes that are no UTF-8 are written as \\\\udcXX."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def shown(given: Path | str) -> str:
    """What messages and rows call what was given: `as_text`, without the passwords of addresses."""
    return redacted(as_text(given))


def one_line(error: Exception) -> str:
    """An error's message as one line of text."""
    return as_text(" ".join(str(error).split()))
