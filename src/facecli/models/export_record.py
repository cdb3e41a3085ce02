"""What is written down about an exported model: its digest, and all that its outputs mean."""

from pathlib import Path
from typing import Any

from facecli.errors import InputError
from facecli.models.checkpoint import Checkpoint, write_json

CONFIG_FILE = "config.json"


def check_place(path: Path, checkpoint: Checkpoint) -> None:
    """Raises InputError when `path` is a file that another model's `config.json` vouches for."""
    folder = path.absolute().parent
    if (folder / CONFIG_FILE).is_file() and not _is_inside(path, checkpoint):
        raise InputError(f"{folder} is the folder of another model; name another place than {path}")


def write_record(path: Path, checkpoint: Checkpoint, file_format: str, dtype: str, digest: str) -> Path:
    """Records an exported file, and returns where.

    In the model's own folder `config.json` gets the digest, so that facecli accepts the file.
    Anywhere else `<path>.json` is a copy of `config.json` (labels, crops, calibration) whose
    `sha256` names this file alone. Both have `exports`: file -> format and dtype.

    Raises OutputError when it cannot be written.
    """
    config, inside = checkpoint.config, _is_inside(path, checkpoint)
    about: dict[str, Any] = {path.name: {"format": file_format, "dtype": dtype}}
    if inside:
        about = {**config.get("exports", {}), **about}
    digests = {**config["sha256"], path.name: digest} if inside else {path.name: digest}
    record = checkpoint.folder / CONFIG_FILE if inside else path.with_name(f"{path.name}.json")
    write_json(record, {**config, "exports": about, "sha256": digests})
    return record


def _is_inside(path: Path, checkpoint: Checkpoint) -> bool:
    return path.absolute().parent.resolve() == checkpoint.folder.resolve()
