"""Files that are found, and files in the making: under a temporary name, never half in place of another."""

import contextlib
import errno
import glob
import hashlib
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, TextIO

from facecli.core.errors import InputError, OutputError
from facecli.core.paths import is_stream, replacing, unopened_text

try:
    import fcntl
except ImportError:
    # Windows, which does not let two programs replace one open file anyway.
    fcntl = None  # type: ignore[assignment]

_MOST = 10_000

_LONGEST_BYTES = 180
"""Of one part of a path; most file systems allow 255, and more is appended to it."""
_WRITTEN = frozenset((".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"))
_NOT_EVERYWHERE = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')


class _Discarded(Exception):
    """Ends `core.paths.replacing` without a result."""


class AtomicFile:
    """`core.paths.replacing` for writers that are not one block: begun, then kept or discarded."""

    def __init__(self, path: Path) -> None:
        """Makes the temporary file. Raises OutputError when the folder cannot be written."""
        self._replacing = replacing(path)
        self.temporary: Path = self._replacing.__enter__()

    def keep(self) -> None:
        """Puts the temporary file in place of the old one. Raises OutputError."""
        self._replacing.__exit__(None, None, None)

    def discard(self) -> None:
        """Removes the temporary file; the old file stays."""
        self._replacing.__exit__(_Discarded, _Discarded(), None)


def reserve_names(folder: Path, suffixes: Sequence[str], moment: datetime | None = None) -> list[Path]:
    """New empty files of one name, one for each suffix: "facecli-20240131-142305.png".

    Args:
        folder: it is made when it is missing.
        suffixes: with their dots.
        moment: the time in the name; now when left out.

    Raises:
        OutputError: the folder cannot be written.
    """
    stem = f"facecli-{moment or datetime.now():%Y%m%d-%H%M%S}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, _MOST):
            name = stem if number == 1 else f"{stem}-{number}"
            if made := _create_empty([folder / f"{name}{suffix}" for suffix in suffixes]):
                return made
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror or error}") from error
    raise OutputError(f"cannot write into {folder}: too many files named {stem}")


def release_names(paths: Sequence[Path]) -> None:
    """Removes those that have stayed empty."""
    for path in paths:
        if path.is_file() and path.stat().st_size == 0:
            path.unlink()


def _create_empty(paths: Sequence[Path]) -> list[Path]:
    """The paths, made; [] when one of them exists already."""
    made: list[Path] = []
    try:
        for path in paths:
            # Exclusive: two programs at once do not take the same name.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            made.append(path)
    except FileExistsError:
        release_names(made)
        return []
    return made


class GrowingTextFile:
    """Flushed with every write, so that it can be followed while it grows.

    A text that fits only in part, on a full disk, is taken out again: a file holds whole lines.

    The file takes the old one's place with its first text; without any the old file stays.
    "-" is standard output. With `append` an old file stays, and grows.

    While it is open, no other run may write to it or take its place; the system forgets that when a run
    ends, however it ends.
    """

    def __init__(self, target: str, stdout: TextIO | None = None, append: bool = False) -> None:
        self._target, self._appends = target, append
        self._stdout = stdout or sys.stdout
        self._pending: AtomicFile | None = None
        self._file: TextIO = unopened_text()
        self._is_regular = self._is_new = False

    def __enter__(self) -> "GrowingTextFile":
        """Raises OutputError when the file cannot be written, InputError when another run writes it.

        Raises BrokenPipeError when standard output is closed.
        """
        path = Path(self._target)
        if self._target == "-":
            if self._stdout is None:
                raise BrokenPipeError(errno.EPIPE, "standard output is closed")
            self._file = self._stdout
        elif is_stream(self._target):
            self._file = self._open()
        elif path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; name a file")
        elif self._appends:
            # Made now when it is missing: else two runs would both begin it.
            self._is_new = not path.exists()
            self._begin_at(self._open())
        else:
            check_unlocked(path)
            self._pending = AtomicFile(path)
        return self

    def __exit__(self, *_: object) -> None:
        if self._pending is not None:
            self._pending.discard()
        if self._file is self._stdout:
            return
        try:
            if self._is_new and not self._file.closed:
                self._remove_empty()
            self._file.close()
        except OSError as error:
            raise self._failed(error) from error

    def write(self, text: str) -> None:
        """Raises OutputError when it cannot be written (BrokenPipeError on standard output)."""
        whole_bytes = None
        try:
            if self._pending is not None:
                self._begin(self._pending, text)
                return
            if self._is_regular:
                whole_bytes = os.fstat(self._file.fileno()).st_size
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            if self._target == "-" and isinstance(error, BrokenPipeError):
                raise
            self._take_back(whole_bytes)
            raise self._failed(error) from error

    def _begin(self, pending: AtomicFile, text: str) -> None:
        pending.temporary.write_text(text, encoding="utf-8", newline="\n")
        check_unlocked(Path(self._target))
        pending.keep()
        self._pending = None
        self._begin_at(self._open())

    def _begin_at(self, file: TextIO) -> None:
        if not _lock(file):
            file.close()
            raise _locked(self._target)
        self._file, self._is_regular = file, True

    def _take_back(self, whole_bytes: int | None) -> None:
        """Cuts off what was written of the last text."""
        if whole_bytes is None:
            return
        with contextlib.suppress(OSError):
            # It tries to write the rest once more.
            self._file.close()
        with contextlib.suppress(OSError):
            os.truncate(self._target, whole_bytes)

    def _remove_empty(self) -> None:
        """A file that holds nothing is none; still locked, it cannot be anybody else's."""
        if os.fstat(self._file.fileno()).st_size == 0:
            Path(self._target).unlink(missing_ok=True)

    def _open(self) -> TextIO:
        try:
            Path(self._target).parent.mkdir(parents=True, exist_ok=True)
            return open(self._target, "a", encoding="utf-8", newline="\n")
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputError:
        name = "standard output" if self._target == "-" else self._target
        return OutputError(f"cannot write {name}: {error.strerror or error}")


def check_unlocked(path: Path) -> None:
    """Raises InputError when a run that goes on writes to the file."""
    try:
        with open(path, "rb") as file:
            is_free = _lock(file)
    except OSError:
        # There is none, or nobody may look: whoever writes it will see.
        return
    if not is_free:
        raise _locked(path)


def _lock(file: IO[Any]) -> bool:
    """Keeps other runs from a file until it is closed; False when one of them has it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Some network file systems know no locks.
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True


def _locked(target: str | Path) -> InputError:
    return InputError(f"{target} is being written by another run; wait for its end, or name another file")


def worth_writing(error_type: type[BaseException] | None) -> bool:
    """Does a run that ends so leave a result, even without a frame?

    Its end and an interruption do; a camera that failed at once should not cost the old file.
    """
    return error_type is None or not issubclass(error_type, Exception)


class TargetNames:
    """Gives out relative paths, each once.

    Two names that differ by upper case or by composition only are one name on many systems.
    """

    def __init__(self, suffixes: Collection[str] = _WRITTEN, default: str = ".png") -> None:
        """Names end in one of `suffixes`; to others `default` is added."""
        self._suffixes, self._default = suffixes, default
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def claim(self, parts: Iterable[str]) -> str:
        """A path like `parts` that nobody has yet, with a suffix that can be written: "sub/photo-2.jpg".

        Args:
            parts: names of folders and of the picture, in any characters and of any length.
        """
        *folders, name = (_fitting(part) for part in parts)
        place = PurePosixPath()
        for folder in folders:
            # Where another picture's file is, there cannot be a folder.
            place = _free(place / folder, self._files)
            self._folders.add(_key(place))
        path = place / name
        if path.suffix.lower() not in self._suffixes:
            path = path.with_name(f"{path.name}{self._default}")
        path = _free(path, self._files, self._folders)
        self._files.add(_key(path))
        return path.as_posix()


class UnclaimedNames(TargetNames):
    """For runs that make no files of pictures: names are not kept, which millions would need memory for."""

    def claim(self, parts: Iterable[str]) -> str:
        """A path like `parts`, which another picture may have, too."""
        return "/".join(_fitting(part) for part in parts)


def harmless_name(part: str) -> str:
    """A name that came from elsewhere, without characters that some system or terminal minds."""
    return _NOT_EVERYWHERE.sub("_", part).lstrip(".") or "_"


def _free(path: PurePosixPath, *taken: set[str]) -> PurePosixPath:
    """The path, or the first of "name-2.jpg", "name-3.jpg", ... that is in none of the sets."""
    free, number = path, 1
    while any(_key(free) in names for names in taken):
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _key(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path.as_posix()).casefold())


def _fitting(part: str) -> str:
    """One part of a path: no separator, neither "." nor "..", UTF-8, and not too long."""
    part = part.encode("utf-8", "replace").decode("utf-8").replace("/", "_").replace("\0", "_")
    if part in ("", ".", ".."):
        return "_"
    if len(part.encode()) <= _LONGEST_BYTES:
        return part
    path = PurePosixPath(part)
    suffix = path.suffix if len(path.suffix.encode()) < 30 else ""
    digest = hashlib.sha256(part.encode()).hexdigest()[:8]
    kept = part.encode()[: _LONGEST_BYTES - 40].decode("utf-8", "ignore")
    return f"{kept}-{digest}{suffix}"


def walk_folders(
    folder: Path | str, unreadable: Callable[[OSError], object] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """This folder and those below, each with the names of its files; hidden folders are left out.

    Linked folders are looked through like others, each folder once: a link may lead to where it lies.
    `unreadable` is told of each folder that cannot be looked into, and may raise.
    """
    seen = {os.path.realpath(folder)}
    for root, folders, files in os.walk(folder, onerror=unreadable, followlinks=True):
        yield root, files
        there = {name: os.path.realpath(os.path.join(root, name)) for name in sorted(folders)}
        folders.clear()
        for name, place in there.items():
            if place not in seen and not name.startswith("."):
                seen.add(place)
                folders.append(name)


def expand_pattern(pattern: str) -> list[str]:
    """Paths that match a pattern, sorted; `**` is a folder and those below, as `walk_folders` finds them."""
    parts = pattern.split(os.sep)
    if "**" not in parts:
        return sorted(glob.glob(pattern))
    place = parts.index("**")
    before, after = os.sep.join(parts[:place]), os.sep.join(parts[place + 1 :])
    tops = glob.glob(before) if before else [os.sep if pattern.startswith(os.sep) else "."]
    found: set[str] = set()
    for top in tops:
        for root, files in walk_folders(top):
            within = glob.escape(root if before or root != "." else "")
            if after:
                found.update(expand_pattern(os.path.join(within, after)))
            else:
                found.update(os.path.join(root, name) for name in files if not name.startswith("."))
    return sorted({one if before else os.path.normpath(one) for one in found})
