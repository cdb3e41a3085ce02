"""A model folder and its recipe: `config.json` and the files whose digests it holds.

Reading needs the standard library only, so that the run lane starts fast. Nothing in a
folder is executed: a file is handed out only after its sha256 was found to be the one in
`config.json`.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facecli.errors import CheckpointError
from facecli.labels import HEAD_CLASSES
from facecli.models.config_types import CALIBRATION, CONFIG, Wrong, first_wrong, is_count, is_number
from facecli.paths import replacing

log = logging.getLogger(__name__)

FORMAT = 1
KERAS_FILE = "model.keras"
LITERT_FILE = "model.tflite"


@dataclass(frozen=True)
class Checkpoint:
    """One model folder: where it lies and what its `config.json` says."""

    folder: Path
    config: dict[str, Any]

    @property
    def name(self) -> str:
        return self.config["name"]

    @property
    def heads(self) -> tuple[str, ...]:
        return tuple(self.config["heads"])

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels of the crops that the model takes."""
        height, width = self.config["image_size"]
        return height, width

    def crop_of(self, detector: str) -> tuple[float, float]:
        """(margin, shift_y) with which this detector's boxes look like training chips.

        Raises CheckpointError when the model was not made for the detector.
        """
        try:
            crop = self.config["detectors"][detector]
            return float(crop["margin"]), float(crop["shift_y"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{self.folder}/config.json has no crop for '{detector}'") from error

    def wrong_in_calibration(self) -> Wrong | None:
        """What in the calibration is of another type than it must be; None when all fits, or there is none.

        `load_checkpoint` takes such a model: it can be calibrated anew.
        """
        config = self.config.get("calibration")
        return None if config is None else first_wrong(CALIBRATION, config, "calibration")

    def digest_of(self, file: str) -> str:
        """The sha256 that a file of the folder must have. Raises CheckpointError when it is not listed."""
        digest = self.config["sha256"].get(file)
        if digest is None:
            raise CheckpointError(
                f"{self.folder / file} is missing; train the model again or fetch its folder anew"
            )
        return digest

    def verified(self, file: str) -> Path:
        """Path of a file of the folder, after its digest was checked.

        Raises CheckpointError when it is missing, not listed or changed.
        """
        path, expected = self.folder / file, self.digest_of(file)
        if not path.is_file():
            raise CheckpointError(f"{path} is missing; train the model again or fetch its folder anew")
        if file_sha256(path) != expected:
            raise CheckpointError(f"{path} is not the file that config.json names (sha256 differs); refused")
        return path


def load_checkpoint(folder: Path) -> Checkpoint:
    """Reads and checks `config.json` of a model folder.

    Raises CheckpointError, naming the file, when it is missing, damaged, of a newer format, of heads that
    this version does not know, or when a value that is read is of a wrong type, naming its key.
    """
    folder = Path(folder)
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; name a model folder") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON ({error}); fetch the folder anew") from error
    _check(config, path)
    return Checkpoint(folder, config)


def _check(config: Any, path: Path) -> None:
    missing = [key for key in CONFIG.required if not isinstance(config, dict) or key not in config]
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}: not a facecli model")
    if is_count(config["format"]) and config["format"] != FORMAT:
        raise CheckpointError(
            f"{path} has format {config['format']}, this facecli reads {FORMAT}; update facecli"
        )
    if wrong := first_wrong(CONFIG, config):
        raise CheckpointError(f"{path}: {wrong}; fetch the folder anew")
    unknown = [head for head in config["heads"] if head not in HEAD_CLASSES]
    if unknown or not config["heads"]:
        raise CheckpointError(f"{path}: heads {config['heads']} are not among {list(HEAD_CLASSES)}")


def write_config(folder: Path, config: dict[str, Any], files: tuple[str, ...]) -> Checkpoint:
    """Writes `config.json` with the digests of `files`, which lie in the folder already."""
    config = {**config, "format": FORMAT, "sha256": {file: file_sha256(folder / file) for file in files}}
    write_json(folder / "config.json", config)
    return Checkpoint(folder, config)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file that only tells something; {} when there is none that can be read.

    Numbers that cannot be computed with (NaN, infinite, 400 digits) are null.
    """
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text, parse_constant=_number, parse_float=_number, parse_int=_number)
        # Halves of characters, which JSON can hold and nothing can write.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (OSError, ValueError, RecursionError) as error:
        log.debug("%s: %s", path, error)
        return {}
    return value if isinstance(value, dict) else {}


def _number(text: str) -> float | int | None:
    value = float(text)
    if not is_number(value):
        return None
    return int(text) if text.lstrip("-").isdigit() else value


def write_json(path: Path, value: Any) -> None:
    """Writes readable JSON in place of `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def file_sha256(path: Path) -> str:
    """Hex digest of a file, read in chunks."""
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


@dataclass(frozen=True)
class FileCheck:
    """One file that `config.json` vouches for, and what is wrong with it (None: nothing)."""

    path: Path
    problem: str | None


def check_files(folder: Path, digests: Mapping[str, str]) -> list[FileCheck]:
    """Compares each of the named files of a folder with its digest."""
    return [FileCheck(folder / name, _problem(folder, name, digest)) for name, digest in digests.items()]


def _problem(folder: Path, name: str, digest: str) -> str | None:
    path = folder / name
    if Path(name).name != name:
        return "lies outside of its folder"
    if not path.is_file():
        return "is missing"
    try:
        return None if file_sha256(path) == digest else "has changed (sha256 differs)"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
