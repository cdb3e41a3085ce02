"""Pictures in .zip and .tar files, read one by one; nothing is unpacked to the disk."""

import bz2
import contextlib
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO, Literal, Protocol, cast

from facecli.core.errors import ImageError, InputError
from facecli.core.files import TargetNames, harmless_name
from facecli.core.images import MAX_BYTES, SUFFIXES
from facecli.sources.files import Item, as_text, failed

ZIP_SUFFIX = ".zip"
_BOMB_BYTES = 16 << 20
_BOMB_RATIO = 200
"""A member larger than the one and packed by more than the other is refused; pictures hardly pack."""
_ENCRYPTED = 0x1
_DAMAGED_ZIP = (
    OSError, EOFError, RuntimeError, ValueError, LookupError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
)  # fmt: skip
"""What zipfile raises for members that are damaged or packed in an unknown way."""
_MOST_UNPACKED = 4 << 30
_MOST_RATIO = 100
"""Unpacked bytes that are read of any archive, and for each of its own; the rest is a bomb."""
_DAMAGED_TAR = (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError, ValueError)


class ZipSource:
    """The pictures of a .zip file, in its order."""

    is_single = False

    def __init__(self, path: Path) -> None:
        """Reads the directory of the file. Raises InputError when there is none, or no picture in it."""
        self.path, self.name = path, path.absolute().name
        try:
            self._archive = zipfile.ZipFile(path)
        except _DAMAGED_ZIP as error:
            raise InputError(f"{as_text(path)} cannot be read as a .zip file ({error})") from error
        self._members = [info for info in self._archive.infolist() if is_picture_name(info.filename)]
        if not self._members:
            raise InputError(f"no pictures in {as_text(path)}; name an archive that holds some")
        self.total = len(self._members)

    def files(self) -> Iterator[Path]:
        """The archive."""
        yield self.path

    def items(self, names: TargetNames, prefix: tuple[str, ...]) -> Iterator[Item]:
        """Every picture, by the archive's path and its own."""
        for info in self._members:
            source = f"{as_text(self.path)}/{as_text(info.filename)}"
            target = names.claim((*prefix, *member_parts(info.filename)))
            reason = _refusal(info)
            if reason is not None:
                yield failed(source, target, f"{source} is refused: {reason}")
            else:
                yield Item(source, target, partial(self._load, info, source))

    def _load(self, info: zipfile.ZipInfo, source: str) -> bytes:
        try:
            with self._archive.open(info) as member:
                data = member.read(MAX_BYTES + 1)
        except _DAMAGED_ZIP as error:
            raise ImageError(f"cannot read {source} ({error or type(error).__name__})") from error
        if len(data) > MAX_BYTES:
            raise ImageError(f"{source} has more than {MAX_BYTES:,} bytes; make it smaller")
        return data


def is_picture_name(name: str) -> bool:
    """Is a member a picture, by its suffix? Hidden ones are none."""
    parts = name.replace("\\", "/").split("/")
    hidden = any(part.startswith(".") and part != ".." for part in parts) or parts[0] == "__MACOSX"
    return name.lower().endswith(SUFFIXES) and not hidden


def leads_outside(name: str) -> bool:
    """Is it an absolute path, on any system, or one with `..`?"""
    path = PureWindowsPath(name)
    return bool(path.drive or path.root) or ".." in path.parts


def member_parts(name: str) -> list[str]:
    """Folders and name of a member, as they can be used here."""
    return [harmless_name(part) for part in PureWindowsPath(name).parts] or ["_"]


def _refusal(info: zipfile.ZipInfo) -> str | None:
    """Why a member is not even opened."""
    if leads_outside(info.filename):
        return "its name leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a link"
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if info.file_size > MAX_BYTES:
        return f"it has more than {MAX_BYTES:,} bytes"
    if info.file_size > max(_BOMB_BYTES, _BOMB_RATIO * info.compress_size):
        return f"{info.compress_size:,} bytes that unpack to {info.file_size:,} are no picture"
    return None


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
        except _DAMAGED_TAR as error:
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
        except _DAMAGED_TAR as error:
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
        if leads_outside(member.name):
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
        if is_picture_name(member.name) and not member.isdir():
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
