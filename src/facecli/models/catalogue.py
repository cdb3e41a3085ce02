"""The models on this machine: which there are, whether their files are whole, and how one is removed.

Standard library only.
"""

import json
import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facecli import paths
from facecli.errors import CheckpointError, InputError, OutputError
from facecli.models.checkpoint import LITERT_FILE, file_sha256, load_checkpoint

log = logging.getLogger(__name__)

CONFIG_FILE, METRICS_FILE = "config.json", "metrics.json"
SHIPPED = ("facenet_model", "normal_model", "facenet_embedding")
"""Names of the folders that come with facecli."""


@dataclass(frozen=True)
class Entry:
    """A folder with a `config.json`.

    Attributes:
        folder: where it lies.
        shipped: it came with facecli.
        config: what its `config.json` says, as far as it can be read.
        problem: why it cannot be used, or None.
        size_bytes: of all files in it.
        metrics: what was measured on the test split; {} when nothing was.
    """

    folder: Path
    shipped: bool
    config: dict[str, Any]
    problem: str | None
    size_bytes: int
    metrics: dict[str, Any]

    @property
    def name(self) -> str:
        """By which `--model-path` and `--compare` find it."""
        return self.folder.name

    @property
    def runs(self) -> bool:
        """Can `facecli run` use it? Backbones to train from have no LiteRT file."""
        return self.problem is None and LITERT_FILE in self.config["sha256"]


def list_models() -> list[Entry]:
    """The user's models and the shipped ones, by name; a shipped one that is hidden by the user's too.

    Folders without a `config.json` are none.
    """
    found: dict[Path, Entry] = {}
    for root in (paths.saved_model_dir(), *paths.shipped_places("saved_model")):
        for config in sorted(root.glob(f"*/{CONFIG_FILE}")):
            found.setdefault(config.parent.resolve(), describe(config.parent))
    return sorted(found.values(), key=lambda entry: (entry.name, entry.shipped))


def find_entry(name: str) -> Entry:
    """A model by name or folder, as `paths.find_model` finds it. Raises CheckpointError."""
    if not name.strip():
        raise CheckpointError("'' is no model; 'facecli models list' says which are here")
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
    """What is known of a model folder; damaged ones have a `problem`."""
    config: dict[str, Any] = {}
    problem = None
    try:
        config = load_checkpoint(folder).config
    except CheckpointError as error:
        problem = str(error)
        config = _read_json(folder / CONFIG_FILE)
    metrics = _read_json(folder / METRICS_FILE)
    return Entry(folder, _is_shipped(folder), config, problem, _size(folder), metrics)


@dataclass(frozen=True)
class FileCheck:
    """One file that `config.json` vouches for, and what is wrong with it (None: nothing)."""

    path: Path
    problem: str | None


def verify(entry: Entry) -> list[FileCheck]:
    """Compares every file with the digest in `config.json`.

    Raises CheckpointError when there are no digests to compare with.
    """
    digests = entry.config.get("sha256")
    if not isinstance(digests, dict) or not digests:
        raise CheckpointError(f"{entry.folder}/{CONFIG_FILE} names no digests; fetch the folder anew")
    return [FileCheck(entry.folder / name, _problem(entry.folder, name, digests[name])) for name in digests]


def remove(entry: Entry) -> None:
    """Deletes a model folder, whole or not at all; of a link only the link.

    Raises:
        InputError: a shipped model, or a folder that holds more than a model.
        OutputError: it cannot be deleted.
    """
    check_removable(entry)
    folder = entry.folder
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
        raise InputError(f"{folder} came with facecli and stays; only models of your own are removed")
    among_models = folder.absolute().parent.resolve() == paths.saved_model_dir().resolve()
    if entry.problem is not None and not among_models:
        raise InputError(f"{folder} is no model folder of facecli; nothing was removed")
    guarded = (Path.home(), Path.cwd(), paths.saved_model_dir())
    if not folder.is_symlink() and any(place.resolve().is_relative_to(folder.resolve()) for place in guarded):
        raise InputError(f"{folder} holds more than a model; remove its files by hand")


def _is_shipped(folder: Path) -> bool:
    place = folder.absolute()
    return place.name in SHIPPED and any(
        place.parent.resolve() == root.resolve() for root in paths.shipped_places("saved_model")
    )


def _problem(folder: Path, name: str, digest: Any) -> str | None:
    path = folder / name
    if Path(name).name != name:
        return "lies outside of its folder"
    if not path.is_file():
        return "is missing"
    try:
        return None if file_sha256(path) == digest else "has changed (sha256 differs)"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        log.debug("%s: %s", path, error)
        return {}
    return value if isinstance(value, dict) else {}
