"""A model folder and its recipe: `config.json` and the files whose digests it holds.

Reading needs the standard library only, so that the run lane starts fast. Nothing in a
folder is executed: a file is handed out only after its sha256 was found to be the one in
`config.json`.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facecli.errors import CheckpointError
from facecli.labels import HEAD_CLASSES
from facecli.paths import replacing

FORMAT = 1
KERAS_FILE = "model.keras"
LITERT_FILE = "model.tflite"
REQUIRED = ("format", "name", "model_type", "heads", "labels", "image_size", "detectors", "sha256")


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

    def verified(self, file: str) -> Path:
        """Path of a file of the folder, after its digest was checked.

        Raises CheckpointError when it is missing, not listed or changed.
        """
        path = self.folder / file
        expected = self.config["sha256"].get(file)
        if expected is None or not path.is_file():
            raise CheckpointError(f"{path} is missing; train the model again or fetch its folder anew")
        if file_sha256(path) != expected:
            raise CheckpointError(f"{path} is not the file that config.json names (sha256 differs); refused")
        return path


def load_checkpoint(folder: Path) -> Checkpoint:
    """Reads and checks `config.json` of a model folder.

    Raises CheckpointError, naming the folder, when it is missing, damaged, of a newer
    format or of heads that this version does not know.
    """
    folder = Path(folder)
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; name a model folder") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}); fetch the folder anew") from error
    _check(config, path)
    return Checkpoint(folder, config)


def _check(config: Any, path: Path) -> None:
    missing = [key for key in REQUIRED if not isinstance(config, dict) or key not in config]
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}: not a facecli model")
    if config["format"] != FORMAT:
        raise CheckpointError(
            f"{path} has format {config['format']}, this facecli reads {FORMAT}; update facecli"
        )
    unknown = [head for head in config["heads"] if head not in HEAD_CLASSES]
    if unknown or not config["heads"]:
        raise CheckpointError(f"{path}: heads {config['heads']} are not among {list(HEAD_CLASSES)}")
    size = config["image_size"]
    if not (isinstance(size, list) and len(size) == 2 and all(isinstance(s, int) and s > 0 for s in size)):
        raise CheckpointError(f"{path}: image_size {size} is not [height, width]")


def write_config(folder: Path, config: dict[str, Any], files: tuple[str, ...]) -> Checkpoint:
    """Writes `config.json` with the digests of `files`, which lie in the folder already."""
    config = {**config, "format": FORMAT, "sha256": {file: file_sha256(folder / file) for file in files}}
    write_json(folder / "config.json", config)
    return Checkpoint(folder, config)


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
