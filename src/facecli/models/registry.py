"""The models on this machine: which there are, whether their files are whole, and how one is removed.

Standard library only.
"""

import contextlib
import logging
import os
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facecli.core import paths
from facecli.core.errors import CheckpointError, InputError, OutputError
from facecli.core.paths import SHIPPED_MODELS
from facecli.models.checkpoint import (
    CONFIG,
    KERAS_FILE,
    LITERT_FILE,
    Checkpoint,
    FileCheck,
    check_files,
    finds_faces,
    first_wrong,
    is_count,
    load_checkpoint,
    load_finder,
    read_json,
)

log: logging.Logger = logging.getLogger(__name__)

CONFIG_FILE, METRICS_FILE = "config.json", "metrics.json"
EPOCHS_FOLDER = "epochs"
_EPOCH = re.compile(r"epoch-(\d{3,6})")
_MOST_NAMED = 12
"""Epochs that are named one by one."""


@dataclass(frozen=True)
class KeptEpoch:
    """An epoch beside the best one: a model folder in the folder of its model."""

    number: int
    folder: Path
    size_bytes: int


@dataclass(frozen=True)
class Entry:
    """A folder with a `config.json`.

    Attributes:
        folder: where it lies.
        shipped: it came with facecli.
        config: what its `config.json` says; of a damaged one, as far as it can be read.
        problem: why it cannot be used, in one line, or None.
        size_bytes: of all files in it that can be seen.
        metrics: what was measured on the test split; {} when nothing was. Its numbers are finite.
    """

    folder: Path
    shipped: bool
    config: dict[str, Any]
    problem: str | None
    size_bytes: int
    metrics: dict[str, Any]

    @property
    def name(self) -> str:
        """By which `--model-path` and `--compare` find it; text, also where the folder's name is none."""
        return _as_text(self.folder.name)

    @property
    def finds_faces(self) -> bool:
        """Is it a detector or the like, which reads nothing of a face?"""
        return finds_faces(self.config)

    @property
    def further(self) -> dict[str, tuple[str, ...]]:
        """Its heads that facecli does not know by itself, with their classes; {} of a damaged one."""
        usable = self.problem is None and not self.finds_faces
        return Checkpoint(self.folder, self.config).further if usable else {}

    @property
    def runs(self) -> bool:
        """Can `facecli run` read faces with it? Backbones to train from have no LiteRT file."""
        return not self.finds_faces and self.problem is None and LITERT_FILE in self.config["sha256"]

    @property
    def network_bytes(self) -> int:
        """Size of what `facecli run` loads; 0 when it is not there any more."""
        try:
            return (self.folder / LITERT_FILE).stat().st_size
        except OSError:
            return 0


def list_models() -> list[Entry]:
    """The user's models and the shipped ones, by name; a shipped one that is hidden by the user's too.

    Folders without a `config.json` are none; one that nobody may look into may be one, and has a problem.
    """
    found: dict[str, Entry] = {}
    for root in (paths.saved_model_dir(), *paths.shipped_places("saved_model")):
        for folder in _model_folders(root):
            found.setdefault(os.path.realpath(folder), describe(folder))
    return sorted(found.values(), key=lambda entry: (entry.name, entry.shipped))


def find_entry(name: str) -> Entry:
    """A model by name or folder, as `core.paths.find_model` finds it. Raises CheckpointError."""
    if not name.strip():
        raise CheckpointError("'' is not a model; 'facecli models list' says which are here")
    return describe(paths.find_model(name))


def find_short(name: str) -> Entry:
    """As `find_entry`; also by the short names of `--model-type`: "facenet" is "facenet_model"."""
    try:
        return find_entry(name)
    except CheckpointError as error:
        try:
            return find_entry(f"{name.strip()}_model")
        except CheckpointError:
            raise error from None


def describe(folder: Path) -> Entry:
    """What is known of a model folder; damaged ones have a `problem`, and none raises an error."""
    try:
        finds = finds_faces(read_json(folder / CONFIG_FILE))
        checkpoint = load_finder(folder) if finds else load_checkpoint(folder)
        config, problem = checkpoint.config, _unusable(checkpoint)
    except CheckpointError as error:
        config, problem = read_json(folder / CONFIG_FILE), str(error)
    if problem is not None:
        problem = " ".join(_as_text(problem).split())
    metrics = read_json(folder / METRICS_FILE)
    return Entry(folder, _is_shipped(folder), config, problem, _size(folder), metrics)


def epoch_folder(folder: Path, number: int) -> Path:
    """Where a kept epoch, counted from 1, of the model in `folder` lies: a model folder itself."""
    return folder / EPOCHS_FOLDER / f"epoch-{number:03d}"


def kept_epochs(folder: Path) -> list[KeptEpoch]:
    """The epochs that a model keeps beside its best one, which it is itself; by number."""
    places = _model_folders(folder / EPOCHS_FOLDER)
    found = ((_EPOCH.fullmatch(place.name), place) for place in places)
    kept = [KeptEpoch(int(match[1]), place, _size(place)) for match, place in found if match]
    return sorted(kept, key=lambda one: one.number)


def best_epoch(folder: Path) -> int | None:
    """Which epoch of its training a model is, counted from 1; None where its `config.json` does not say."""
    number = read_json(folder / CONFIG_FILE).get("epoch")
    return number if is_count(number) else None


def find_epoch(folder: Path, number: int) -> Path:
    """Folder of an epoch: that of the model when it is its best one, else one in it.

    Raises InputError, naming those that were kept, when it is not among them.
    """
    if number == best_epoch(folder):
        return folder
    place = epoch_folder(folder, number)
    if paths.may_hold(place, CONFIG_FILE):
        return place
    raise InputError(f"{folder} has no epoch {number}; {_told_kept(folder)}")


def _told_kept(folder: Path) -> str:
    best, kept = best_epoch(folder), [one.number for one in kept_epochs(folder)]
    if not kept:
        return "it is the best one of its training alone" + (f", epoch {best}" if best else "")
    numbers = sorted({*kept, *([best] if best else [])})
    named = ", ".join(f"{one} (the best)" if one == best else str(one) for one in numbers[:_MOST_NAMED])
    more = len(numbers) - _MOST_NAMED
    return f"there are {named}" + (f" and {more} more, up to {numbers[-1]}" if more > 0 else "")


def remove_epochs(folder: Path) -> list[KeptEpoch]:
    """Deletes what a model keeps beside its best epoch, which stays, and returns what is gone.

    Raises OutputError when one cannot be deleted.
    """
    kept = kept_epochs(folder)
    for one in kept:
        _delete(one.folder)
    return kept


def _model_folders(root: Path) -> list[Path]:
    """Folders in a folder that hold a `config.json`, or may hold one, sorted."""
    try:
        with os.scandir(root) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
    except OSError as error:
        log.debug("%s: %s", root, error)
        return []
    return [root / name for name in sorted(names) if paths.may_hold(root / name, CONFIG_FILE)]


def _unusable(checkpoint: Checkpoint) -> str | None:
    """What is wrong with a folder whose `config.json` can be read: name, calibration, or a missing file."""
    folder = checkpoint.folder
    if _as_text(folder.name) != folder.name:
        return f"{folder}: its name is not text; rename it"
    if wrong := checkpoint.wrong_in_calibration():
        return f"{folder / CONFIG_FILE}: {wrong}; run 'facecli calibrate' or fetch the folder anew"
    listed = [file for file in (LITERT_FILE, KERAS_FILE) if file in checkpoint.config["sha256"]]
    # A backbone to train from has no LiteRT file, and who only runs a model may leave the Keras file out.
    if listed and not paths.may_hold(folder, listed[0]):
        return f"{folder / listed[0]} is missing; train the model again or get its folder again"
    return None


def verify(entry: Entry) -> list[FileCheck]:
    """Compares every file with the digest in `config.json`.

    Raises CheckpointError when there are no digests to compare with.
    """
    digests = entry.config.get("sha256")
    if not digests or first_wrong(CONFIG.required["sha256"], digests):
        raise CheckpointError(f"{entry.folder}/{CONFIG_FILE} names no digests; get the model folder again")
    if paths.is_installed(entry.folder):
        # An installed package leaves out what only training needs.
        digests = {name: digest for name, digest in digests.items() if name != KERAS_FILE}
    return check_files(entry.folder, digests)


def remove(entry: Entry) -> None:
    """Deletes a model folder, whole or not at all; of a link only the link.

    Raises:
        InputError: a shipped model, or a folder that holds more than a model.
        OutputError: it cannot be deleted.
    """
    check_removable(entry)
    _delete(entry.folder)


def _delete(folder: Path) -> None:
    """Deletes a folder, whole or not at all; of a link only the link. Raises OutputError."""
    try:
        if folder.is_symlink():
            folder.unlink()
            return
        # Out of sight at once: an interrupted deletion leaves no half model under the old name.
        gone = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        folder.replace(gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise OutputError(f"cannot remove {folder}: {error.strerror or error}") from error


def check_removable(entry: Entry) -> None:
    """Raises InputError when `remove` would refuse it."""
    folder = entry.folder
    if entry.shipped:
        raise InputError(f"{folder} is shipped with facecli; only your own models can be removed")
    among_models = folder.absolute().parent.resolve() == paths.saved_model_dir().resolve()
    if not among_models and not _is_model(folder):
        raise InputError(f"{folder} is not a model folder of facecli; nothing was removed")
    guarded = (Path.home(), Path.cwd(), paths.saved_model_dir())
    if not folder.is_symlink() and any(place.resolve().is_relative_to(folder.resolve()) for place in guarded):
        raise InputError(f"{folder} contains more than a model; delete its files yourself")


def _is_model(folder: Path) -> bool:
    return describe(folder).problem is None


def _is_shipped(folder: Path) -> bool:
    place = folder.absolute()
    return place.name in SHIPPED_MODELS and any(
        place.parent.resolve() == root.resolve() for root in paths.shipped_places("saved_model")
    )


def _size(folder: Path) -> int:
    """Bytes of the files in a folder and below, those left out that cannot be looked at."""
    size = 0
    for place, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(place, file))
                size += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return size


def _as_text(text: str) -> str:
    """Text that can be written as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
