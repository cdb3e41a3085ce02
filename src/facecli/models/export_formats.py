"""What a network can be exported as, and what is written down of it. Standard library only."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facecli.core.errors import InputError, OutputError
from facecli.models.checkpoint import Checkpoint, write_json

SAVED_MODEL_FILE = "saved_model.pb"

CONFIG_FILE = "config.json"


@dataclass(frozen=True)
class ExportFormat:
    """A file format: its name, the suffix of its files, and dtypes, the default one first.

    `suffix` is empty when the format is a folder.
    """

    name: str
    suffix: str
    dtypes: tuple[str, ...]

    @property
    def is_folder(self) -> bool:
        return not self.suffix


FORMATS = {
    "tflite": ExportFormat("tflite", ".tflite", ("float16", "float32", "int8")),
    "onnx": ExportFormat("onnx", ".onnx", ("float16", "float32")),
    "saved_model": ExportFormat("saved_model", "", ("float32",)),
}
"""Format name -> what it can hold. benchmarks/export.md has the measurements behind the defaults."""


def resolve_format(name: str, dtype: str | None) -> tuple[ExportFormat, str]:
    """The format of a name and the dtype to use; None takes the format's default.

    Raises InputError for an unknown name and for a dtype that the format does not have.
    """
    if name not in FORMATS:
        raise InputError(f"no export format '{name}'; choose one of {', '.join(FORMATS)}")
    file_format = FORMATS[name]
    if dtype is None:
        return file_format, file_format.dtypes[0]
    if dtype not in file_format.dtypes:
        able = ", ".join(other.name for other in FORMATS.values() if dtype in other.dtypes)
        elsewhere = f", or --format {able}" if able else ""
        raise InputError(
            f"{name} cannot be written as {dtype}",
            f"use --dtype {' or '.join(file_format.dtypes)}{elsewhere}",
        )
    return file_format, dtype


def check_output(path: Path, file_format: ExportFormat) -> None:
    """Finds before any work what would refuse the result after it.

    Raises:
        InputError: a file name with another suffix, a folder where a file goes, or a folder that
            is not empty and no SavedModel and would be lost.
        OutputError: the folder cannot be written.
    """
    if file_format.is_folder:
        _check_folder(path)
    elif path.suffix.lower() != file_format.suffix:
        raise InputError(f"{path} does not end in {file_format.suffix}; name the {file_format.name} file so")
    elif path.is_dir():
        raise InputError(f"{path} is a folder; name a {file_format.suffix} file")
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir():
        raise OutputError(f"cannot write {path}: {there} is not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: no permission to write into {there}")


def _check_folder(path: Path) -> None:
    if path.is_file():
        raise InputError(f"{path} is a file; a SavedModel is a folder")
    if path.is_dir() and any(path.iterdir()) and not (path / SAVED_MODEL_FILE).is_file():
        raise InputError(f"{path} is not empty and no SavedModel; name a new folder")


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
