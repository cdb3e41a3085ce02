"""Pictures that are going to be read: items, and those of them that are files or standard input."""

import logging
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NoReturn

from facecli.core.console import redacted
from facecli.core.errors import ImageError, InputError
from facecli.core.files import TargetNames
from facecli.core.images import MAX_BYTES, find_images, read_bytes

log: logging.Logger = logging.getLogger(__name__)

_KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISSOCK: "a socket",
}


@dataclass(frozen=True, slots=True)
class Item:
    """A picture by name, before it is read.

    Attributes:
        source: what rows and messages call it; text that can be written as UTF-8.
        target_name: see `sinks.base.Record`.
        load: gives the encoded picture's bytes, in any thread; raises ImageError.
    """

    source: str
    target_name: str
    load: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a picture before it is read.

    Attributes:
        source: path or address.
        size: bytes.
        etag: what storage calls this content; None where it has no name.
        mtime_ns: when it was last changed, nanoseconds since 1970.
    """

    source: str
    size: int | None = None
    etag: str | None = None
    mtime_ns: int | None = None


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


class FileSource:
    """One picture file."""

    path: Path
    name: str

    is_single = True
    total = 1

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.absolute().name

    def files(self) -> Iterator[Path]:
        """The picture."""
        yield self.path

    def entries(self, after: str = "") -> Iterator[Entry]:
        """The picture, when its name lies behind `after`."""
        if as_text(self.path) > after:
            yield entry_of(self.path)

    def items(self, names: TargetNames, prefix: tuple[str, ...]) -> Iterator[Item]:
        """The picture. Without its folders: what is made of it has its name alone."""
        yield _item(self.path, names, (self.path.name,))


class FolderSource:
    """Every picture of a folder and below, sorted; hidden ones are left out."""

    path: Path
    name: str

    is_single = False

    def __init__(
        self,
        path: Path,
        excluded: Sequence[Path] = (),
        notify: Callable[[str], None] = log.info,
        elsewhere: tuple[str, ...] = (),
    ) -> None:
        """Looks through the folder.

        Args:
            path: of the folder.
            excluded: folders that results are written to; what lies there is left out.
            notify: takes a line about files that are no pictures.
            elsewhere: suffixes of files that somebody else reads; nothing is said of them.

        Raises:
            InputError: no pictures.
        """
        self.path, self.name = path, path.absolute().name
        written = [os.path.join(os.path.realpath(folder), "") for folder in excluded]
        found = find_images(path, notify, elsewhere)
        if written:
            found = [one for one in found if not os.path.realpath(one).startswith(tuple(written))]
        if not found:
            raise InputError(f"no pictures in {as_text(path)}; name a picture or a folder that holds some")
        # Plain text takes a tenth of what paths do.
        self._found = [os.path.relpath(one, path) for one in found]
        self.total: int = len(found)

    def files(self) -> Iterator[Path]:
        """The pictures."""
        return (self.path / relative for relative in self._found)

    def entries(self, after: str = "") -> Iterator[Entry]:
        """Each picture whose name lies behind `after`, in the order of names."""
        paths = sorted((self.path / relative for relative in self._found), key=as_text)
        return (entry_of(path) for path in paths if as_text(path) > after)

    def items(self, names: TargetNames, prefix: tuple[str, ...]) -> Iterator[Item]:
        """Each picture; what is made of it lies in the same folders."""
        for relative in self._found:
            yield _item(self.path / relative, names, (*prefix, *Path(relative).parts))


class StdinSource:
    """One encoded picture on standard input."""

    is_single = True
    total = 1
    name: str = "stdin.png"
    path: Path | None = None

    def __init__(self, stdin: BinaryIO | None = None) -> None:
        self._stdin = stdin

    def files(self) -> Iterator[Path]:
        """What it was redirected from, where the system gives that a name."""
        yield Path("/dev/stdin")

    def items(self, names: TargetNames, prefix: tuple[str, ...]) -> Iterator[Item]:
        """The picture, called "-"."""
        yield Item("-", names.claim((self.name,)), self._load)

    def _load(self) -> bytes:
        try:
            data = (self._stdin or sys.stdin.buffer).read(MAX_BYTES + 1)
        except (OSError, AttributeError, ValueError) as error:
            raise ImageError(f"cannot read standard input ({error})") from error
        if len(data) > MAX_BYTES:
            raise ImageError(f"standard input has more than {MAX_BYTES:,} bytes; make the picture smaller")
        if not data:
            raise ImageError("standard input is empty; redirect a picture to it")
        return data


def check_regular(path: Path) -> None:
    """Raises ImageError, with what to do, when there is no file, or when it is a device, a pipe, a socket."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"cannot read {shown(path)}: {reason}; check the path") from error
    if not stat.S_ISREG(mode):
        kind = next((text for is_kind, text in _KINDS.items() if is_kind(mode)), "no file")
        raise ImageError(
            f"{as_text(path)} is {kind}, not a picture file",
            "to read it, redirect it to standard input and give -",
        )


def entry_of(path: Path) -> Entry:
    """What the system knows of a file; of one that is gone only its name."""
    try:
        found = os.stat(path)
    except OSError:
        return Entry(as_text(path))
    return Entry(as_text(path), found.st_size, None, found.st_mtime_ns)


def _item(path: Path, names: TargetNames, parts: Sequence[str]) -> Item:
    return Item(as_text(path), names.claim(parts), partial(_load, path))


def _load(path: Path) -> bytes:
    check_regular(path)
    return read_bytes(path)
