"""What a command reads is never written over: one check before anything is touched, for all commands."""

import os
import stat
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from facecli.cli.options import find_compared
from facecli.core.errors import CheckpointError, InputError
from facecli.core.paths import is_stream
from facecli.core.recipes import MODEL_FOLDERS
from facecli.core.redaction import is_storage_address, redacted

STDIN = "/dev/stdin"
"""Of that name is the file that standard input was redirected from, on systems that give it one."""


def check_targets(
    targets: Mapping[str, str | os.PathLike[str] | None],
    read: Iterable[tuple[str | os.PathLike[str], str]] = (),
) -> None:
    """Refuses results that would go to one place, or into what is read.

    A file is the same under all its names: by another path, a link of either kind, or upper and lower case
    where the system does not mind it.

    Args:
        targets: option -> the file or folder that it names; "-" is standard output, None is left out.
        read: files, and what to call each ("the clip itself"); asked for only when a target is there already.

    Raises:
        InputError: naming the option and what to do.
    """
    given = {flag: os.fspath(target) for flag, target in targets.items() if target}
    if any(target != "-" and os.path.exists(target) for target in given.values()):
        _check_read(given, read)
    places: dict[Hashable, str] = {}
    for flag, target in given.items():
        place = target if target == "-" else place_of(target)
        if place in places:
            raise InputError(f"{places[place]} and {flag} both write to {target}; name two")
        places[place] = flag


def check_existing(
    targets: Iterable[tuple[str, str | os.PathLike[str] | None]], overwrite: bool, remedy: str = ""
) -> None:
    """Refuses to replace results that somebody may have waited hours for.

    Pipes, devices and standard output hold none, nor does an empty file.

    Args:
        targets: options and the file that each names; None is left out.
        overwrite: what is there may be replaced.
        remedy: what else can be done than `--overwrite` and another name, as "--resume to go on with it".

    Raises:
        InputError: naming the file and the options.
    """
    there = [] if overwrite else [one for one in targets if one[1] and _holds_results(os.fspath(one[1]))]
    if not there:
        return
    flag, target = there[0]
    more = f" and {len(there) - 1} more are" if len(there) > 1 else " is"
    raise InputError(
        f"{redacted(os.fspath(target or ''))}{more} there already; give --overwrite to replace what is "
        f"there, {remedy}or another name to {flag}"
    )


def check_stored(targets: Mapping[str, str | os.PathLike[str] | None]) -> None:
    """Refuses what cannot be written to object storage: no library for it, no key, no such bucket.

    Args:
        targets: as of `check_targets`.

    Raises:
        InputError: naming what to do.
    """
    given = [target for target in targets.values() if isinstance(target, str) and is_storage_address(target)]
    for target in given:
        from facecli.sources.cloud import check_target

        check_target(target)


def _holds_results(target: str) -> bool:
    if is_storage_address(target):
        from facecli.sources.cloud import storage_of

        return storage_of(target).exists(target)
    try:
        status = os.stat(target)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0 and not is_stream(target)


def _check_read(given: Mapping[str, str], read: Iterable[tuple[str | os.PathLike[str], str]]) -> None:
    there = {place_of(target): flag for flag, target in given.items() if target != "-"}
    for path, called in read:
        if flag := there.get(place_of(path)):
            raise InputError(f"{given[flag]} is {called}; name another file for {flag}")


def place_of(path: str | os.PathLike[str]) -> Hashable:
    """The same for all names of a file or folder; of what is not there, and of devices, its whole path."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return _real_path(path)
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        return status.st_dev, status.st_ino
    return _real_path(path)


def _real_path(path: str | os.PathLike[str]) -> str:
    try:
        return os.path.normcase(os.path.realpath(path))
    except (OSError, ValueError):
        return os.fspath(path)


def lies_in(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Is a path a folder, or anywhere below it, under whatever names?"""
    place = place_of(folder)
    real = Path(os.path.realpath(path))
    return any(place_of(one) == place for one in (real, *real.parents))


def files_below(path: Path) -> Iterator[Path]:
    """The file itself, or all files of a folder and below."""
    if path.is_file():
        yield path
    for folder, _, files in os.walk(path):
        yield from (Path(folder, file) for file in files)


def model_files(options: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """What the options name as models and as weights, as `check_targets` takes it."""
    if options.get("detector_weights"):
        yield Path(options["detector_weights"]), "the weights of the detector"
    compared = [name.strip() for name in (options.get("compare") or "").split(",") if name.strip()]
    by_type = MODEL_FOLDERS.get(options.get("model_type") or "")
    for model in compared or filter(None, [options.get("model_path") or by_type]):
        yield from ((path, "a file of the model") for path in _model_folder(model).glob("*"))


def _model_folder(name: str) -> Path:
    """The name itself where no model has it."""
    try:
        return find_compared(name)
    except CheckpointError:
        return Path(name)
