"""Names for files that nobody has asked for by name: never one that is there already."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from facecli.errors import OutputError

_MOST = 10_000


def reserve(folder: Path, suffixes: Sequence[str], moment: datetime | None = None) -> list[Path]:
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
            if made := _make([folder / f"{name}{suffix}" for suffix in suffixes]):
                return made
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror or error}") from error
    raise OutputError(f"cannot write into {folder}: too many files named {stem}")


def give_back(paths: Sequence[Path]) -> None:
    """Removes those that have stayed empty."""
    for path in paths:
        if path.is_file() and path.stat().st_size == 0:
            path.unlink()


def _make(paths: Sequence[Path]) -> list[Path]:
    """The paths, made; [] when one of them exists already."""
    made: list[Path] = []
    try:
        for path in paths:
            # Exclusive: two programs at once do not take the same name.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            made.append(path)
    except FileExistsError:
        give_back(made)
        return []
    return made
