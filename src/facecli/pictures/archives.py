"""Pictures in .zip and .tar files, read one by one; nothing is unpacked to the disk."""

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PureWindowsPath

from facecli.errors import ImageError, InputError
from facecli.images import MAX_BYTES, SUFFIXES
from facecli.pictures.item import Item, as_text, failed
from facecli.pictures.names import TargetNames, harmless

ZIP_SUFFIX = ".zip"
_BOMB_BYTES = 16 << 20
_BOMB_RATIO = 200
"""A member larger than the one and packed by more than the other is refused; pictures hardly pack."""
_ENCRYPTED = 0x1
_DAMAGED = (
    OSError, EOFError, RuntimeError, ValueError, LookupError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
)  # fmt: skip
"""What zipfile raises for members that are damaged or packed in an unknown way."""


class ZipSource:
    """The pictures of a .zip file, in its order."""

    is_single = False

    def __init__(self, path: Path) -> None:
        """Reads the directory of the file. Raises InputError when there is none, or no picture in it."""
        self.path, self.name = path, path.absolute().name
        try:
            self._archive = zipfile.ZipFile(path)
        except _DAMAGED as error:
            raise InputError(f"{as_text(path)} cannot be read as a .zip file ({error})") from error
        self._members = [info for info in self._archive.infolist() if is_picture(info.filename)]
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
        except _DAMAGED as error:
            raise ImageError(f"cannot read {source} ({error or type(error).__name__})") from error
        if len(data) > MAX_BYTES:
            raise ImageError(f"{source} has more than {MAX_BYTES:,} bytes; make it smaller")
        return data


def is_picture(name: str) -> bool:
    """Is a member a picture, by its suffix? Hidden ones are none."""
    parts = name.replace("\\", "/").split("/")
    hidden = any(part.startswith(".") and part != ".." for part in parts) or parts[0] == "__MACOSX"
    return name.lower().endswith(SUFFIXES) and not hidden


def leads_out(name: str) -> bool:
    """Is it an absolute path, on any system, or one with `..`?"""
    path = PureWindowsPath(name)
    return bool(path.drive or path.root) or ".." in path.parts


def member_parts(name: str) -> list[str]:
    """Folders and name of a member, as they can be used here."""
    return [harmless(part) for part in PureWindowsPath(name).parts] or ["_"]


def _refusal(info: zipfile.ZipInfo) -> str | None:
    """Why a member is not even opened."""
    if leads_out(info.filename):
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
