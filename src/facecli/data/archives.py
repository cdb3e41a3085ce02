"""Archives of pictures, unpacked once, beside themselves, as if they came from a stranger.

Only plain files and folders are written, only below the new folder, and only so many bytes;
an archive with anything else is refused as a whole. The folder appears under its name when
everything is in it, never half filled.
"""

import gzip
import logging
import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from facecli.core import paths
from facecli.core.console import stderr_console
from facecli.core.errors import DataError, InputError, OutputError

log = logging.getLogger(__name__)

SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
MAX_FILES = 1_000_000
MAX_UNPACKED_BYTES = 20 << 30
MARKER = ".facecli-unpacked"
"""File in an unpacked folder that names the archives it came from and their sizes."""
_CHUNK = 1 << 20
_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError,
    EOFError, NotImplementedError,
)  # fmt: skip


@dataclass
class _Budget:
    """What may still be written."""

    files: int
    size: int


def archive_stem(path: Path) -> str | None:
    """The file's name without the archive suffix; None when it is no archive by its name."""
    name = Path(path).name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return None


def unpack(archives: list[Path], name: str, progress: bool = True) -> Path:
    """Unpacks archives into one new folder beside the first; a folder they filled before is reused.

    Where that place cannot be written, the folder lies in facecli's cache instead.

    Args:
        archives: at least one; of several, each gets a folder of its own in the new folder.
        name: of the new folder.
        progress: draw a bar on stderr.

    Raises:
        DataError: damaged, encrypted, too large, or holding a link, a device or a path that
            leaves the folder.
        InputError: a folder of that name is there and did not come from these archives.
        OutputError: the folder cannot be written.
    """
    folder = _place(archives[0]) / name
    contents = "".join(f"{archive.name} {archive.stat().st_size}\n" for archive in archives)
    if folder.exists():
        return _reused(folder, contents, archives[0])
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _new_folder(folder) as temporary:
            budget = _Budget(MAX_FILES, MAX_UNPACKED_BYTES)
            for archive in archives:
                inner = (archive_stem(archive) or archive.name) if len(archives) > 1 else ""
                _unpack_one(archive, temporary / inner, budget, progress)
            (temporary / MARKER).write_text(contents, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot unpack to {folder}: {error.strerror or error}") from error
    log.info("unpacked %s to %s", ", ".join(archive.name for archive in archives), folder)
    return folder


def _place(archive: Path) -> Path:
    parent = archive.resolve().parent
    return parent if os.access(parent, os.W_OK) else paths.cache_dir() / "unpacked"


def _reused(folder: Path, contents: str, archive: Path) -> Path:
    marker = folder / MARKER
    if marker.is_file() and marker.read_text(encoding="utf-8") == contents:
        return folder
    raise InputError(
        f"{folder} is there already and was not unpacked from this {archive.name}; "
        "give that folder instead of the archive, or move it away"
    )


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when the block succeeds and vanishes when not."""
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp makes it private
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unpack_one(archive: Path, target: Path, budget: _Budget, progress: bool) -> None:
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=stderr_console(), transient=True, disable=not progress)
    target.mkdir(parents=True, exist_ok=True)
    with open(archive, "rb") as file, bar:
        task = bar.add_task(f"unpacking {archive.name}", total=archive.stat().st_size)
        members = _zip_members if archive.name.lower().endswith(".zip") else _tar_members
        try:
            for name, content in members(file, archive):
                _write_member(target / _inner_path(name, archive), content, budget, archive)
                bar.update(task, completed=file.tell())
        except _DAMAGED as error:
            raise DataError(f"{archive} is damaged ({error}); download it again") from error


def _tar_members(file: IO[bytes], archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """(name, content) of each member, None for a folder."""
    with tarfile.open(fileobj=file, mode="r|*") as tar:
        for member in tar:
            if not (member.isdir() or member.isreg()):
                raise DataError(f"{archive} holds a link or a device ('{member.name}'); it was not unpacked")
            yield member.name, tar.extractfile(member)


def _zip_members(file: IO[bytes], archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(file) as packed:
        for member in packed.infolist():
            kind = member.external_attr >> 16 & 0o170000
            if kind not in (0, 0o100000, 0o040000):
                raise DataError(
                    f"{archive} holds a link or a device ('{member.filename}'); it was not unpacked"
                )
            if member.flag_bits & 1:
                raise DataError(f"{archive} is encrypted; unpack it yourself and give the folder")
            if member.is_dir():
                yield member.filename, None
                continue
            with packed.open(member) as content:
                yield member.filename, content


def _inner_path(name: str, archive: Path) -> Path:
    path = PurePosixPath(name)
    if (
        path.is_absolute()
        or ".." in path.parts
        or "\\" in name
        or "\0" in name
        or PureWindowsPath(name).drive
    ):
        raise DataError(f"{archive} holds a path that leaves its folder ('{name}'); it was not unpacked")
    return Path(*path.parts)


def _write_member(path: Path, content: IO[bytes] | None, budget: _Budget, archive: Path) -> None:
    budget.files -= 1
    if content is None:
        path.mkdir(parents=True, exist_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            while budget.size >= 0 and (chunk := content.read(_CHUNK)):
                budget.size -= len(chunk)
                file.write(chunk)
    if budget.files < 0 or budget.size < 0:
        raise DataError(
            f"{archive} holds more than {MAX_FILES:,} files or {MAX_UNPACKED_BYTES >> 30} GB; "
            "unpack it yourself and give the folder"
        )
