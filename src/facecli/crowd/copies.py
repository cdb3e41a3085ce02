"""Copies of the pictures that were found, beside whatever lies in the folder already."""

import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from facecli.crowd.gather import Subject
from facecli.errors import OutputError

_MOST_NAMES = 10_000


@dataclass
class Copied:
    """What became of the pictures.

    Attributes:
        copied: new files.
        there: pictures that lay in the folder already, byte for byte.
        failed: "source: reason" of each that could not be copied.
        videos: sources of tracks; a clip is not copied.
    """

    copied: list[Path] = field(default_factory=list)
    there: list[Path] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    videos: list[str] = field(default_factory=list)


def copy_pictures(subjects: Iterable[Subject], folder: Path) -> Copied:
    """Copies each picture once, under its name or the first of "name-2.jpg", ... that is free.

    Nothing is ever written over. A source is looked for from the current folder, then from that of the
    file of rows.

    Raises OutputError when the folder cannot be written.
    """
    _make(folder)
    result, seen = Copied(), set()
    for subject in subjects:
        if (subject.file, subject.source) in seen:
            continue
        seen.add((subject.file, subject.source))
        if subject.track is not None:
            result.videos.append(subject.source)
            continue
        source = _find(subject)
        if source is None:
            result.failed.append(f"{subject.source}: no such file here; run it where the rows were made")
            continue
        _copy(source, folder, result)
    return result


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot make the folder {folder}: {reason}; name another one") from error


def _find(subject: Subject) -> Path | None:
    given = Path(subject.source)
    places = [given] if subject.file == "-" else [given, Path(subject.file).parent / given]
    for place in places:
        # ValueError: a source that is no path at all (NUL bytes).
        with suppress(OSError, ValueError):
            if place.is_file():
                return place
    return None


def _copy(source: Path, folder: Path, result: Copied) -> None:
    """Whole or not at all: written beside, then moved to a name that was free."""
    with suppress(OSError):
        if source.resolve().parent == folder.resolve():
            result.there.append(source)
            return
    try:
        handle, name = tempfile.mkstemp(prefix=".copy-", dir=folder)
        os.close(handle)
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror or error}") from error
    temporary = Path(name)
    try:
        shutil.copyfile(source, temporary)
        shutil.copystat(source, temporary)
        target, is_new = _claim(folder, source.name, temporary)
        if is_new:
            temporary.replace(target)
        (result.copied if is_new else result.there).append(target)
    except OSError as error:
        result.failed.append(f"{source}: {error.strerror or error}")
    finally:
        temporary.unlink(missing_ok=True)


def _claim(folder: Path, name: str, content: Path) -> tuple[Path, bool]:
    """A name that is now ours, or the file that holds the same content already."""
    plain = Path(name)
    for number in range(1, _MOST_NAMES):
        target = folder / (name if number == 1 else f"{plain.stem}-{number}{plain.suffix}")
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            if target.is_file() and filecmp.cmp(target, content, shallow=False):
                return target, False
            continue
        return target, True
    raise OSError(f"{folder} holds {_MOST_NAMES:,} files of that name")
