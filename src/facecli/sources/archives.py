"""Pictures in .zip and .tar files, and pages of a file, read one by one; nothing is unpacked to the disk."""

import bz2
import contextlib
import gzip
import io
import lzma
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Literal, Protocol, cast

from PIL import Image, ImageOps

from facecli.core.errors import ImageError, InputError
from facecli.core.files import TargetNames, harmless_name
from facecli.core.image_header import check_size, pillow_errors
from facecli.core.images import DECODING, MAX_BYTES, SUFFIXES
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
MOST_PAGES = 1000
"""Pages of one file that are read."""
_PAGED = ("TIFF", "GIF", "WEBP", "PNG", "AVIF", "HEIF")
"""What holds pages or an animation. The second picture of a JPEG (MPO) is none: it may be a preview."""
_PAGE_BYTES = 12
"""A pixel of a page, with its copy that is given on."""
_KEPT_MODES = ("L", "I", "F", "I;16", "I;16B", "RGB", "RGBA")
_DAMAGED_TAR = (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError, ValueError)


class ZipSource:
    """The pictures of a .zip file, in its order."""

    path: Path
    name: str

    is_single = False

    def __init__(self, path: Path) -> None:
        """Reads the directory of the file. Raises InputError when there is none, or no picture in it."""
        self.path, self.name = path, path.absolute().name
        try:
            known = path.stat()
            self._stamp = known.st_mtime_ns, known.st_size
            with zipfile.ZipFile(path) as archive:
                self._members = [info for info in archive.infolist() if is_picture_name(info.filename)]
        except _DAMAGED_ZIP as error:
            raise InputError(f"{as_text(path)} cannot be read as a .zip file ({error})") from error
        if not self._members:
            raise InputError(f"no pictures in {as_text(path)}; name an archive that holds some")
        self.total: int = len(self._members)

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
            with _opened_zip(self.path, self._stamp).open(info) as member:
                data = member.read(MAX_BYTES + 1)
        except _DAMAGED_ZIP as error:
            raise ImageError(f"cannot read {source} ({error or type(error).__name__})") from error
        if len(data) > MAX_BYTES:
            raise ImageError(f"{source} has more than {MAX_BYTES:,} bytes; make it smaller")
        return data


@lru_cache(maxsize=8)
def _opened_zip(path: Path, stamp: tuple[int, int]) -> zipfile.ZipFile:
    """The archive, open as long as it is among the last that were asked for: few files may be open at once.

    `stamp` is its time and size: another file of that name is another archive.
    """
    return zipfile.ZipFile(path)


def is_picture_name(name: str) -> bool:
    """Is a member a picture, by its suffix? Hidden ones are none."""
    parts = name.replace("\\", "/").split("/")
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts) or parts[0] == "__MACOSX"
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
        return f"{info.compress_size:,} bytes that unpack to {info.file_size:,} are not a picture"
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

    path: Path
    name: str

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


def with_pages(item: Item, names: TargetNames) -> Iterator[Item]:
    """The picture itself and, where its file holds several, an item for each further page: "a.tif#page=2".

    Of more than MOST_PAGES the last item fails with a word.

    Args:
        item: is read at once.
        names: the pages' files are called "a-page2.tif".
    """
    try:
        data = item.load()
    except ImageError as error:
        yield failed(item.source, item.target_name, str(error))
        return
    yield Item(item.source, item.target_name, lambda: data)
    pages = _Pages(data, item.source)
    path = PurePosixPath(item.target_name)
    for number in range(2, pages.count + 1):
        source = f"{item.source}#page={number}"
        target = names.claim(path.with_name(f"{path.stem}-page{number}{path.suffix}").parts)
        if number > MOST_PAGES:
            yield failed(
                source, target, f"{item.source} has more than {MOST_PAGES:,} pages; the others are left out"
            )
            return
        yield Item(source, target, partial(pages.load, number))


class _Pages:
    """The pages of a picture file, each as an encoded picture of its own. Threads may share it."""

    def __init__(self, data: bytes, source: str) -> None:
        """`count` is MOST_PAGES + 1 at most; 1 for what holds none, or is no picture."""
        self._data, self._source = data, source
        self._lock = threading.Lock()
        self._opened: Image.Image | None = None
        self.count = self._counted()

    def _counted(self) -> int:
        try:
            with pillow_errors(self._source):
                return self._pages_of(self._open())
        except ImageError:
            # The picture itself says what is wrong.
            return 1

    def _pages_of(self, image: Image.Image) -> int:
        if not getattr(image, "is_animated", False):
            return 1
        if image.format == "TIFF":
            return self._followed(image)
        return min(int(getattr(image, "n_frames", 1)), MOST_PAGES + 1)

    @staticmethod
    def _followed(image: Image.Image) -> int:
        """Pages of a TIFF: its directories are followed one by one, however many there are."""
        count = 1
        with contextlib.suppress(EOFError):
            while count <= MOST_PAGES:
                image.seek(count)
                count += 1
        return count

    def _open(self) -> Image.Image:
        if self._opened is None:
            self._opened = Image.open(io.BytesIO(self._data), formats=_formats())
        return self._opened

    def load(self, number: int) -> bytes:
        """A page, from 1 on, upright, as an uncompressed TIFF. Raises ImageError."""
        name = f"{self._source}#page={number}"
        with self._lock:
            try:
                with pillow_errors(name):
                    image = self._open()
                    image.seek(number - 1)
                    check_size(image.size, name)
                    with DECODING.reserved(_PAGE_BYTES * image.width * image.height, name):
                        return _as_tiff(image)
            except ImageError:
                # What went wrong once may have left it anywhere.
                self._opened = None
                raise


def _formats() -> list[str]:
    Image.init()
    return [name for name in _PAGED if name in Image.OPEN]


def _as_tiff(image: Image.Image) -> bytes:
    page = image.copy()
    if image.format != "TIFF":
        # Of a TIFF Pillow does it.
        ImageOps.exif_transpose(page, in_place=True)
    if page.mode not in _KEPT_MODES:
        page = page.convert("RGBA" if page.has_transparency_data else "RGB")
    buffer = io.BytesIO()
    profile = image.info.get("icc_profile") if page.mode in ("RGB", "RGBA") else None
    page.save(buffer, "TIFF", icc_profile=profile, exif=Image.Exif())
    return buffer.getvalue()
