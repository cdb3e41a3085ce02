"""Where faces are: one interface for all detectors, found by name.

A detector is one file that holds a `DetectorEntry` called DETECTOR: a module of this package, which is called
as the detector is, or one of another package, see `core.registry`. Standard library only.
"""

import dataclasses
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from facecli.core.errors import InputError
from facecli.core.registry import Registry
from facecli.models.terms import Terms, terms_of

if TYPE_CHECKING:
    from facecli.core.arrays import Array
    from facecli.detect.cnn import LandmarkFinder

AUTO = "auto"
"""In place of a name: BEST, or FREE for models that may be used for more than BEST may."""
BEST, FREE, WHOLE_PICTURE = "cnn", "haar", "none"


class Detections(NamedTuple):
    """What a detector finds in a picture, from left to right.

    Attributes:
        xyxy: (n, 4) int32 pixels, inside the picture, right and bottom exclusive; (0, 4) without a face.
        scores: (n,) float32 in [0, 1]; the scale differs between detectors.
        landmarks: (n, 5, 2) float32 pixels: eyes, nose, corners of the mouth, the viewer's left first;
            None from a detector that does not know them. Faces are then cut by their boxes.
        landmark_errors: (n,) float32: how far off these are expected to be, in distances between the eyes;
            None when nobody has looked closer (`detect.cnn.LandmarkFinder`).
    """

    xyxy: "Array"
    scores: "Array"
    landmarks: "Array | None" = None
    landmark_errors: "Array | None" = None


class Detector(Protocol):
    """What finds faces in a frame. `name` is the key of its crop in a model's `config.json`.

    An attribute `every_s` may say how far apart in seconds whole frames of a video are searched.
    """

    name: str

    def detect(self, frame_rgb: "Array") -> Detections:
        """Every face of a (H, W, 3) uint8 RGB picture."""
        ...


def detect_inside(detector: Detector, image_rgb: "Array") -> Detections:
    """What a detector finds, whatever it says: every box lies in the picture and has at least a pixel.

    All that cut faces ask through this, since a detector may be anybody's.
    """
    from facecli.core.crops import clip_boxes

    found = detector.detect(image_rgb)
    return found._replace(xyxy=clip_boxes(found.xyxy, (image_rgb.shape[1], image_rgb.shape[0])))


class RefiningDetector:
    """A detector whose finds are looked at closer: boxes are its own, landmarks are not."""

    detector: Detector
    name: str

    def __init__(self, detector: Detector, finder: "LandmarkFinder", crop: tuple[float, float]) -> None:
        """`crop`: (margin, shift_y) with which the detector's boxes are chips."""
        self.detector, self.name = detector, detector.name
        self._finder, self._crop = finder, crop

    def __getattr__(self, name: str) -> Any:
        # What a detector may say beside, such as `every_s`.
        return getattr(self.detector, name)

    def detect(self, frame_rgb: "Array") -> Detections:
        """Every face of a (H, W, 3) uint8 RGB picture, with landmarks and how exact they are."""
        found = detect_inside(self.detector, frame_rgb)
        looked = self._finder.find(frame_rgb, found.xyxy, self._crop, found.landmarks)
        return found._replace(landmarks=looked.landmarks, landmark_errors=looked.errors)


@dataclass(frozen=True)
class NoOptions:
    """Of a detector that has none."""


@dataclass(frozen=True)
class DetectorEntry:
    """A detector that can be built.

    Attributes:
        build: takes an instance of `options`. Raises InputError or CheckpointError.
        terms: what it may be used for.
        options: a frozen dataclass of int, float, str, bool and Path (or None), each with a default.
            One that is called `weights` is what `--detector-weights` gives, one that is called `threads` (int
            or None) how many threads it may use, one that is called `refine` (bool) whether it may look
            closer at each face, which others are wrapped for.
        chip_crop: (margin, shift_y) with which its boxes look like the chips that models learn from
            (benchmarks/chip_margin.py measures it), for models that do not know the detector.
        published_weights: name by which `facecli weights get` fetches what `weights` needs.
        look_closer: builds what finds landmarks in faces that others found, for so many threads; BEST has it.
    """

    build: Callable[[Any], Detector]
    terms: Terms
    options: type = NoOptions
    chip_crop: tuple[float, float] | None = None
    published_weights: str | None = None
    look_closer: "Callable[[int | None], LandmarkFinder] | None" = None

    @property
    def option_names(self) -> tuple[str, ...]:
        return tuple(field.name for field in dataclasses.fields(self.options))


DETECTORS = Registry(
    "detector",
    DetectorEntry,
    "DETECTOR",
    "facecli.detect",
    "facecli.detectors",
    first=(BEST, FREE),
    last=(WHOLE_PICTURE,),
    apart=("registry",),
)
built_in_names: Callable[[], tuple[str, ...]] = DETECTORS.built_in_names
detector_names: Callable[[], tuple[str, ...]] = DETECTORS.names
find_entry: Callable[[str], DetectorEntry] = DETECTORS.find


def choose_detector(name: str, configs: Iterable[Mapping[str, Any]]) -> str:
    """The detector that a name means.

    Args:
        name: AUTO, or one of `detector_names()`.
        configs: `config.json` of the models that read what it finds.
    """
    if name != AUTO:
        return name
    narrow = find_entry(BEST).terms.is_narrow
    return FREE if narrow and not any(terms_of(config).is_narrow for config in configs) else BEST


def may_refine(name: str, configs: Iterable[Mapping[str, Any]]) -> bool:
    """May landmarks be had, whose network is for no more than BEST is, beside this detector and these models?

    Where all else is free, they may not: they would narrow what may be done with the whole.
    """
    return find_entry(name).terms.is_narrow or any(terms_of(config).is_narrow for config in configs)


def build_detector(
    name: str,
    options: Mapping[str, object] | object | None = None,
    weights: Path | None = None,
    threads: int | None = None,
    refine: bool = True,
) -> Detector:
    """Builds the detector of that name.

    Args:
        name: one of `detector_names()`.
        options: an instance of the entry's `options`, or names and values, which may be text.
        weights: file for a detector that needs one, in place of published weights; others ignore it.
        threads: that it may use, for one with an option of that name; OpenCV's are set for the whole process.
        refine: look closer at each face (`RefiningDetector`), if the detector says how its boxes are cut.

    Raises:
        InputError: unknown name or option, or no weights here.
        CheckpointError: a file of the detector cannot be read.
    """
    entry = find_entry(name)
    refines_itself = "refine" in entry.option_names
    detector = _build(name, entry, options, weights, threads, refine if refines_itself else None)
    if not refine or refines_itself or entry.chip_crop is None or name == WHOLE_PICTURE:
        return detector
    look_closer = find_entry(BEST).look_closer
    return RefiningDetector(detector, look_closer(threads), entry.chip_crop) if look_closer else detector


def _build(
    name: str,
    entry: DetectorEntry,
    options: Mapping[str, object] | object | None,
    weights: Path | None,
    threads: int | None,
    refine: bool | None,
) -> Detector:
    if options is not None and not isinstance(options, Mapping):
        if not isinstance(options, entry.options):
            raise TypeError(f"options of {name} are {entry.options.__name__}, not {type(options).__name__}")
        return entry.build(options)
    given = dict(options or {})
    if "weights" in entry.option_names and "weights" not in given:
        given["weights"] = weights or _published(name, entry)
    if threads is not None and "threads" in entry.option_names:
        given.setdefault("threads", threads)
    if refine is not None:
        given.setdefault("refine", refine)
    return entry.build(entry.options(**parse_options(name, entry, given)))


def has_weights(entry: DetectorEntry) -> bool:
    """Are the published weights that it needs here, or does it need none?"""
    return entry.published_weights is None or _find_weights(entry.published_weights) is not None


def _published(name: str, entry: DetectorEntry) -> Path | None:
    """Raises InputError when there are published weights, but not here."""
    if entry.published_weights is None:
        return None
    found = _find_weights(entry.published_weights)
    if found is None:
        raise InputError(
            f"the {name} detector has no weights here; fetch them with 'facecli weights get "
            f"{entry.published_weights}'",
            "or name a file with --detector-weights",
        )
    return found


def _find_weights(published: str) -> Path | None:
    from facecli.models.weights_registry import find_weights

    return find_weights(published)


def parse_options(name: str, entry: DetectorEntry, given: Mapping[str, object]) -> dict[str, object]:
    """Values by the types of the entry's options. Raises InputError for unknown names and wrong values."""
    kinds = typing.get_type_hints(entry.options)
    for option in given:
        if option not in kinds:
            known = ", ".join(kinds) or "none"
            raise InputError(f"the {name} detector has no option '{option}'; it has {known}")
    return {option: _parsed(name, option, kinds[option], value) for option, value in given.items()}


def check_range(name: str, option: str, value: float, least: float, most: float = float("inf")) -> None:
    """Raises InputError unless `least` <= value <= `most`; for `__post_init__` of options."""
    if not least <= value <= most:
        allowed = f"{least} to {most}" if most < float("inf") else f"{least} or more"
        raise InputError(f"option '{option}' of the {name} detector is {allowed}, not {value}")


def _parsed(name: str, option: str, kind: Any, value: object) -> object:
    if not isinstance(value, str):
        return value
    # `int | None` and Optional[int] alike.
    (plain,) = (one for one in typing.get_args(kind) or (kind,) if one is not type(None))
    try:
        if plain is bool:
            return {"true": True, "false": False}[value.lower()]
        return plain(value)
    except (ValueError, KeyError):
        wanted = "true or false" if plain is bool else f"of type {plain.__name__}"
        raise InputError(f"option '{option}' of the {name} detector is {wanted}, not '{value}'") from None
