"""Text files of paths: `@list.txt`."""

import sys
from pathlib import Path
from typing import BinaryIO

from facecli.errors import ImageError, InputError
from facecli.pictures.files import check_regular
from facecli.pictures.item import shown

_MAX_BYTES = 64 << 20


def read_list(name: str, stdin: BinaryIO | None = None) -> list[str]:
    """Entries of a list: a line each, or separated by zero bytes as `find -print0` writes them.

    Empty lines are left out. Relative paths count from the current folder. Bytes that are no UTF-8 stay
    part of the path, as everywhere in Python.

    Args:
        name: a file, or "-" for standard input.
        stdin: replaces `sys.stdin.buffer`.

    Raises:
        InputError: it cannot be read, is larger than 64 MB, no list of paths, or empty.
    """
    called = "standard input" if name == "-" else shown(name)
    data = _read(name, called, stdin)
    if len(data) > _MAX_BYTES:
        raise InputError(f"{called} has more than {_MAX_BYTES:,} bytes; cut the list into several")
    if data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[:4] == b"\x89PNG":
        raise InputError(f"{called} is no list in UTF-8; a list has a path on each line")
    parts = data.split(b"\0") if b"\0" in data else data.replace(b"\r\n", b"\n").split(b"\n")
    entries = [part.decode("utf-8", "surrogateescape") for part in parts if part.strip()]
    if not entries:
        raise InputError(f"{called} is an empty list; write a path on each line")
    return entries


def _read(name: str, called: str, stdin: BinaryIO | None) -> bytes:
    try:
        if name == "-":
            return (stdin or sys.stdin.buffer).read(_MAX_BYTES + 1)
        check_regular(Path(name))
        with open(name, "rb") as file:
            return file.read(_MAX_BYTES + 1)
    except ImageError as error:
        raise InputError(f"no list: {error}") from error
    except (OSError, AttributeError, ValueError) as error:
        raise InputError(f"cannot read the list {called} ({error})") from error
