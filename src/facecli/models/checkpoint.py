"""A model folder and its recipe: `config.json`, what its values must be, the files it vouches for.

Files come from anywhere: whatever code reads of one was looked at here first.

Reading needs the standard library only, so that the run lane starts fast. Nothing in a
folder is executed: a file is handed out only after its sha256 was found to be the one in
`config.json`.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from facecli.core import paths
from facecli.core.attributes import FURTHER_HALF_LIFE_S, HEAD_CLASSES, wrong_in_head
from facecli.core.errors import CheckpointError
from facecli.core.paths import DETECTOR, LANDMARKS, replacing

_LONGEST = 60
_LONGEST_FILE = 1 << 20
"""Characters of a `config.json`; that of a model with all its stages has some 20,000."""
_MOST = 1 << 53
"""Numbers beyond it are none that facecli writes; floats do not tell them apart."""
_LARGEST_SIDE = 10_000

log: logging.Logger = logging.getLogger(__name__)

FORMAT = 1
KERAS_FILE = "model.keras"
LITERT_FILE = "model.tflite"


class Wrong(NamedTuple):
    """A value that cannot be: under which key ("detectors.haar.margin"), and what would fit.

    `wanted` is None where there is no value.
    """

    key: str
    value: Any
    wanted: str | None

    def __str__(self) -> str:
        """Such as "heads is true, not a list of names", on one line of ASCII."""
        key = _shown(self.key, quoted=False)
        if self.wanted is None:
            return f"{key} is missing"
        return f"{key} is {_shown(self.value)}, not {self.wanted}"


class Kind(Protocol):
    """Says what in a value does not fit."""

    def wrong(self, value: Any, key: str) -> Iterator[Wrong]: ...


@dataclass(frozen=True)
class One(Kind):
    """A value that fits when `fits` says so."""

    wanted: str
    fits: Callable[[Any], bool]

    def wrong(self, value: Any, key: str) -> Iterator[Wrong]:
        if not self.fits(value):
            yield Wrong(key, value, self.wanted)


@dataclass(frozen=True)
class Each(Kind):
    """A list whose items are all of a kind, or an object whose values are."""

    wanted: str
    container: type[list[Any]] | type[dict[str, Any]]
    kind: Kind

    def wrong(self, value: Any, key: str) -> Iterator[Wrong]:
        if not isinstance(value, self.container):
            yield Wrong(key, value, self.wanted)
            return
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from TEXT.wrong(name, f"a name in {key}") if isinstance(name, str) else ()
            yield from self.kind.wrong(item, f"{key}.{name}")


@dataclass(frozen=True)
class Maybe(Kind):
    """Null, or a value of a kind."""

    kind: Kind

    def wrong(self, value: Any, key: str) -> Iterator[Wrong]:
        if value is not None:
            yield from self.kind.wrong(value, key)


@dataclass(frozen=True)
class Fields(Kind):
    """An object with certain keys; further ones may hold anything."""

    required: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)

    def wrong(self, value: Any, key: str) -> Iterator[Wrong]:
        if not isinstance(value, dict):
            yield Wrong(key, value, "an object")
            return
        within = f"{key}." if key else ""
        for name, kind in {**self.required, **self.optional}.items():
            if name in value:
                yield from kind.wrong(value[name], f"{within}{name}")
            elif name in self.required:
                yield Wrong(f"{within}{name}", None, None)


def is_number(value: Any) -> bool:
    """An int or a float, finite and not too large to be computed with; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST


def is_count(value: Any) -> bool:
    """A whole number from 0 on."""
    return is_number(value) and isinstance(value, int) and value >= 0


def is_text(value: Any) -> bool:
    """Text that can be written as UTF-8: JSON can hold halves of characters."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_size(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(is_count(side) and 0 < side <= _LARGEST_SIDE for side in value)
    )


def _are_weights(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(is_number, value))


def _is_margin(value: Any) -> bool:
    # The crop is 1 + 2 margins as wide as the box.
    return is_number(value) and -0.5 < value <= 10


def _shown(value: Any, quoted: bool = True) -> str:
    """The value as JSON, shortened."""
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"
    text = text if quoted else text[1:-1]
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


TEXT = One("text", is_text)
_NUMBER = One("a number", is_number)
_COUNT = One("a whole number from 0 on", is_count)
_NUMBERS = Each("a list of numbers", list, _NUMBER)
_SECONDS = One("a number above 0", lambda value: is_number(value) and value > 0)
_OBJECT = Fields({})
_CROP = Fields(
    {
        "margin": One("a number above -0.5, 10 at most", _is_margin),
        "shift_y": One("a number from -10 to 10", lambda value: is_number(value) and abs(value) <= 10),
    }
)
_TERMS = Fields(
    {
        "licence": TEXT,
        "may_be_used_for": TEXT,
        "sources": Each("a list of objects", list, Fields(dict.fromkeys(("name", "url", "terms"), TEXT))),
    }
)
CONFIG = Fields(
    {
        "format": _COUNT,
        "name": TEXT,
        "model_type": TEXT,
        "heads": Each("a list of names", list, TEXT),
        "labels": Each("an object of lists", dict, Each("a list of names", list, TEXT)),
        "image_size": One("[height, width]", _is_size),
        "detectors": Each("an object of crops", dict, _CROP),
        "sha256": Each("an object of digests", dict, TEXT),
    },
    {
        "backbone": TEXT,
        "epoch": Maybe(_COUNT),
        "seed": One("a whole number", lambda value: is_number(value) and isinstance(value, int)),
        "split_digest": TEXT,
        "command": TEXT,
        "duration_s": _NUMBER,
        "parameters": _COUNT,
        "sets": Each("an object of digests", dict, TEXT),
        "extra_data": Each("an object of digests", dict, TEXT),
        "exports": Each("an object of objects", dict, _OBJECT),
        "earlier_stages": Each("a list of objects", list, _OBJECT),
        "initial": Maybe(TEXT),
        "terms": _TERMS,
        "attributes": Each("an object of objects", dict, Fields({}, {"half_life_s": _SECONDS})),
    },
)
"""All that is read of a `config.json`, but for the calibration, which can be made anew."""
_SHARE = One("a number between 0 and 1", lambda value: is_number(value) and 0 < value < 1)
DETECTOR_CONFIG = Fields(
    {
        "format": _COUNT,
        "name": TEXT,
        "model_type": One(f'"{DETECTOR}"', lambda value: value == DETECTOR),
        "score_threshold": _SHARE,
        "cover_threshold": _SHARE,
        "sha256": Each("an object of digests", dict, TEXT),
    },
    {
        "parameters": _COUNT,
        "terms": _TERMS,
        "refinement": Fields(
            {
                "search_threshold": _SHARE,
                "weights": One("three numbers", _are_weights),
                "bias": _NUMBER,
                "score_threshold": _SHARE,
                "cover_threshold": _SHARE,
            }
        ),
    },
)
"""Of a network that finds faces: it has no heads."""
LANDMARKS_CONFIG = Fields(
    {
        "format": _COUNT,
        "name": TEXT,
        "model_type": One(f'"{LANDMARKS}"', lambda value: value == LANDMARKS),
        "sha256": Each("an object of digests", dict, TEXT),
    },
    {"parameters": _COUNT, "terms": _TERMS},
)
"""Of a network that finds the landmarks of a face."""
_FINDERS = {DETECTOR: DETECTOR_CONFIG, LANDMARKS: LANDMARKS_CONFIG}
"""Model types that read nothing of a face -> what their `config.json` holds."""
_NO_FINDER = {
    None: "is of no network that finds faces or landmarks",
    DETECTOR: "is of no face detector; name another",
    LANDMARKS: "is of no network that finds landmarks; get the model folder again",
}
_KNOTS = Fields({"level": _NUMBER, "ages": _NUMBERS, "low": _NUMBERS, "high": _NUMBERS})
CALIBRATION = Fields(
    {"temperatures": Each("an object of numbers", dict, _NUMBER)},
    {
        "face_threshold": Maybe(_NUMBER),
        "age_interval": Maybe(_KNOTS),
        "uncertain_below": Each("an object of numbers", dict, _NUMBER),
        "lowest_quality": _NUMBER,
    },
)
"""What lies under the key `calibration`."""


def first_wrong(kind: Kind, value: Any, key: str = "") -> Wrong | None:
    """The first part of a value that is of another kind than it must be, None when all fits."""
    return next(kind.wrong(value, key), None)


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
    def further(self) -> dict[str, tuple[str, ...]]:
        """Its heads that facecli does not know by itself, with the names of their classes."""
        heads = (head for head in self.config.get("heads", ()) if head not in HEAD_CLASSES)
        return {head: tuple(self.config["labels"][head]) for head in heads}

    @property
    def half_lives_s(self) -> dict[str, float]:
        """Of these heads, see `core.attributes.AttributeHead`."""
        told = self.config.get("attributes", {})
        return {head: told.get(head, {}).get("half_life_s", FURTHER_HALF_LIFE_S) for head in self.further}

    def class_count(self, head: str) -> int:
        """How many classes one of its heads has; of the age, how many years."""
        return HEAD_CLASSES[head] if head in HEAD_CLASSES else len(self.further[head])

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
                f"{self.folder / file} is missing; train the model again or get its folder again"
            )
        return digest

    def verified(self, file: str) -> Path:
        """Path of a file of the folder, after its digest was checked.

        Raises CheckpointError when it is missing, not listed or changed.
        """
        path, expected = self.folder / file, self.digest_of(file)
        if not path.is_file():
            raise CheckpointError(f"{path} is missing; {_where_from(path)}")
        if file_sha256(path) != expected:
            raise CheckpointError(f"{path} is not the file that config.json names (sha256 differs); refused")
        return path


def _where_from(path: Path) -> str:
    """What can be done about a missing file of a model."""
    if path.name == KERAS_FILE and paths.is_installed(path):
        return (
            "an installed package has what reads faces, not what is trained on, measured or exported: take "
            f"the folder saved_model/{path.parent.name} of a checkout or of the release, lay it into "
            f"{paths.saved_model_dir()}"
        )
    return "train the model again or get its folder again"


def load_checkpoint(folder: Path) -> Checkpoint:
    """Reads and checks `config.json` of a model folder.

    Raises CheckpointError, naming the file, when it is missing, damaged, of a newer format, of heads that
    this version does not know, or when a value that is read is of a wrong type, naming its key.
    """
    path = Path(folder) / "config.json"
    config = _read_config(path)
    if is_detector(config):
        raise CheckpointError(f"{path} is of a face detector", "name it with --detector-weights")
    if finds_faces(config):
        raise CheckpointError(f"{path} is a landmark network and predicts no attributes; name another model")
    _check(config, path)
    return Checkpoint(Path(folder), config)


def load_detector(folder: Path) -> Checkpoint:
    """Reads and checks `config.json` of a detector's folder. Raises CheckpointError, naming file and key."""
    return load_finder(folder, DETECTOR)


def load_finder(folder: Path, model_type: str | None = None) -> Checkpoint:
    """The same of any network that reads nothing of a face, or of one of that type."""
    path = Path(folder) / "config.json"
    config = _read_config(path)
    found = config["model_type"] if finds_faces(config) else None
    if found is None or model_type not in (None, found):
        raise CheckpointError(f"{path} {_NO_FINDER[model_type]}")
    _check_format(config, path)
    if wrong := first_wrong(_FINDERS[found], config):
        raise CheckpointError(f"{path}: {wrong}; get the model folder again")
    return Checkpoint(path.parent, config)


def is_detector(config: Any) -> bool:
    """Is that the content of a detector's `config.json`, whole or damaged?"""
    return isinstance(config, dict) and config.get("model_type") == DETECTOR


def finds_faces(config: Any) -> bool:
    """The same of any network that reads nothing of a face: a detector, or one that finds landmarks."""
    return isinstance(config, dict) and config.get("model_type") in list(_FINDERS)


def _read_config(path: Path) -> Any:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST_FILE + 1)
        if len(text) > _LONGEST_FILE:
            raise CheckpointError(f"{path} is longer than {_LONGEST_FILE:,} characters: not a facecli model")
        return json.loads(text)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; name a model folder") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON ({error}); get the model folder again") from error


def _check_format(config: Mapping[str, Any], path: Path) -> None:
    if is_count(config.get("format")) and config["format"] != FORMAT:
        raise CheckpointError(
            f"{path} has format {config['format']}, this facecli reads {FORMAT}; update facecli"
        )


def _check(config: Any, path: Path) -> None:
    missing = [key for key in CONFIG.required if not isinstance(config, dict) or key not in config]
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}: not a facecli model")
    _check_format(config, path)
    if wrong := first_wrong(CONFIG, config):
        raise CheckpointError(f"{path}: {wrong}; get the model folder again")
    unknown = [head for head in config["heads"] if head not in HEAD_CLASSES]
    if not config["heads"] or not set(unknown) <= set(config["labels"]):
        raise CheckpointError(f"{path}: heads {config['heads']} are not among {list(HEAD_CLASSES)}")
    for head in unknown:
        if problem := wrong_in_head(head, config["labels"][head]):
            raise CheckpointError(f"{path}: the head {_shown(head)} {problem}")


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
