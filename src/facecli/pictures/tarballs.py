"""Pictures in .tar files, compressed or not: read from front to back, once."""

import bz2
import contextlib
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Literal, Protocol, cast

from facecli.errors import InputError
from facecli.images import MAX_BYTES
from facecli.pictures.archives import is_picture, leads_out, member_parts
from facecli.pictures.item import Item, as_text, failed
from facecli.pictures.names import TargetNames


class _File(Protocol):
    """What is read of an opened archive."""

    def read(self, size: int, /) -> bytes: ...
    def seek(self, position: int, whence: int, /) -> int: ...
    def tell(self) -> int: ...


_OPENERS: dict[str, Callable[[Path, Literal["rb"]], AbstractContextManager[_File]]] = {
    ".tar": open,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tbz2": bz2.open,
    ".tar.xz": lzma.open,
    ".txz": lzma.open,
}
TAR_SUFFIXES = tuple(_OPENERS)
_MOST_UNPACKED = 4 << 30
_MOST_RATIO = 100
"""Unpacked bytes that are read of any archive, and for each of its own; the rest is a bomb."""
_DAMAGED = (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError, ValueError)


class TarSource:
    """The pictures of a .tar file, in its order. Its bytes are read while items are taken."""

    is_single = False
    total = None
    """Known only after all of it was read."""

    def __init__(self, path: Path) -> None:
        """Raises InputError when it does not begin like an archive."""
        self.path, self.name = path, path.absolute().name
        try:
            with _open(path):
                pass
        except _DAMAGED as error:
            raise InputError(f"{as_text(path)} cannot be read as a .tar file ({error})") from error

    def files(self) -> Iterator[Path]:
        """The archive."""
        yield self.path

    def items(self, names: TargetNames, prefix: tuple[str, ...]) -> Iterator[Item]:
        """Every picture, by the archive's path and its own; one that fails for what cannot be read on."""
        count = 0
        try:
            with _open(self.path) as (archive, file):
                for member in _members(archive, file):
                    count += 1
                    yield self._item(archive, member, names, prefix)
        except _DAMAGED as error:
            yield self._failed(names, f"{as_text(self.path)} cannot be read on ({error}); pack it again")
        else:
            if not count:
                yield self._failed(names, f"no pictures in {as_text(self.path)}")

    def _failed(self, names: TargetNames, reason: str) -> Item:
        return failed(as_text(self.path), names.claim((self.name,)), reason)

    def _item(
        self, archive: tarfile.TarFile, member: tarfile.TarInfo, names: TargetNames, prefix: tuple[str, ...]
    ) -> Item:
        source = f"{as_text(self.path)}/{as_text(member.name)}"
        target = names.claim((*prefix, *member_parts(member.name)))
        if leads_out(member.name):
            return failed(source, target, f"{source} is refused: its name leads out of the archive")
        content = archive.extractfile(member) if member.isreg() else None
        if content is None:
            return failed(source, target, f"{source} is refused: it is a link or no file")
        if member.size > MAX_BYTES:
            return failed(source, target, f"{source} is refused: it has more than {MAX_BYTES:,} bytes")
        data = content.read()
        return Item(source, target, lambda: data)


def _members(archive: tarfile.TarFile, file: "_Bounded") -> Iterator[tarfile.TarInfo]:
    while (member := archive.next()) is not None:
        # It would keep them all. Its stub does not know of the list.
        archive.members = []  # type: ignore[attr-defined]
        if is_picture(member.name) and not member.isdir():
            yield member
    if file.last_read.strip(b"\0"):
        # tarfile takes a damaged header for the end.
        raise ValueError("it is damaged")


@contextlib.contextmanager
def _open(path: Path) -> Iterator[tuple[tarfile.TarFile, "_Bounded"]]:
    """The archive, and the file that it is read from."""
    name = path.name.lower()
    opener = next(opener for suffix, opener in _OPENERS.items() if name.endswith(suffix))
    limit = max(_MOST_UNPACKED, _MOST_RATIO * path.stat().st_size)
    with opener(path, "rb") as file:
        bounded = _Bounded(file, limit)
        # By its stub tarfile would also write and close what it only reads from.
        with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r:") as archive:
            yield archive, bounded


class _Bounded:
    """A file that refuses to be read further than `limit`, or more than MAX_BYTES at once.

    tarfile reads headers of whatever size an archive claims for them into memory.
    """

    def __init__(self, file: _File, limit: int) -> None:
        self._file, self._limit = file, limit
        self.last_read = b""

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > MAX_BYTES:
            raise ValueError("a part of it is too large")
        self._check(self.tell() + size)
        self.last_read = self._file.read(size)
        return self.last_read

    def seek(self, position: int, whence: int = 0) -> int:
        self._check(position if whence == 0 else 0)
        return self._file.seek(position, whence)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, position: int) -> None:
        if position > self._limit:
            raise ValueError(f"it unpacks to more than {self._limit:,} bytes")
