"""A picture becomes faces: detect, cut, predict, read out, and refuse what shows no face."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from facecli.core.arrays import Array
from facecli.core.attributes import CLASS_NAMES, FACE_HEADS, NAMED_HEADS, PRESENCE, AgeGroups, ClassNames
from facecli.core.crops import WHOLE_CHIP_MARGIN, crop_face, fit_chip, tighter_crop, warp
from facecli.core.errors import CheckpointError, InputError
from facecli.core.faces import AGE_BAND, Face, face_quality, likeliest
from facecli.detect.registry import WHOLE_PICTURE, Detector, detect_inside, find_entry
from facecli.models.checkpoint import Checkpoint
from facecli.models.readout import IDENTITY, Calibration, expected_age


def mark_rejected(faces: Sequence[Face], threshold: float | None) -> list[Face]:
    """The same faces, those that are none marked `rejected` and rid of age, gender and the like.

    Args:
        faces: with or without `face_probability`; without it a face is believed.
        threshold: a `face_probability` below it is refused; None refuses nothing.
    """
    return [_refused(face) if _is_none(face, threshold) else face for face in faces]


def _is_none(face: Face, threshold: float | None) -> bool:
    if threshold is None or face.face_probability is None:
        return False
    return face.face_probability < threshold


def _refused(face: Face) -> Face:
    bare = Face(face.box_xyxy, face.detector_confidence)
    kept = {name: getattr(face, name) for name in ("face_probability", "landmarks", "quality")}
    return replace(bare, **kept, rejected=True)


@dataclass(frozen=True)
class Doubts:
    """Which labels are better not believed.

    Attributes:
        below: head, or AGE_BAND, -> probability of the label from which on it is believed.
        quality: of a face, below which none of its labels is believed.
        otherwise: what `below` says of those that it does not name.
    """

    below: Mapping[str, float]
    quality: float = 0.0
    otherwise: float = 0.0

    def of(self, face: Face) -> tuple[str, ...]:
        """Names of the labels of a face that are better not believed."""
        said = {head: face.probabilities(head) for head in face.heads} | {AGE_BAND: face.age_bands}
        poor = face.quality is not None and face.quality < self.quality
        return tuple(
            name
            for name, shares in said.items()
            if shares and (poor or likeliest(shares)[1] < self.below.get(name, self.otherwise))
        )

    def mark(self, face: Face) -> Face:
        """The same face that knows of them."""
        return replace(face, uncertain=self.of(face))


def doubts_of(calibration: Calibration, uncertain_below: float | None = None) -> Doubts:
    """What a model's calibration says of its labels; `uncertain_below` in place of all that."""
    if uncertain_below is None:
        return Doubts(calibration.uncertain_below, calibration.lowest_quality)
    return Doubts({}, otherwise=uncertain_below)


class Network(Protocol):
    """What reads crops: a `models.litert.Predictor`, or what stands in for it."""

    checkpoint: Checkpoint
    image_size: tuple[int, int]
    calibration: Calibration

    def predict(self, crops: Array) -> dict[str, Array]:
        """(n, height, width, 3) uint8 RGB, n may be 0 -> head: calibrated probabilities (n, classes)."""
        ...


class FoundFaces(NamedTuple):
    """What is kept of a picture until its faces are read.

    Attributes:
        xyxy, scores, landmarks, landmark_errors: see `detect.registry.Detections`.
        crops: for each model its crops of the faces, (n, height, width, 3) uint8 RGB.
    """

    xyxy: Array
    scores: Array
    landmarks: Array | None
    landmark_errors: Array | None
    crops: tuple[Array, ...]


@dataclass(frozen=True)
class ReadoutOptions:
    """What is wanted of each face beside its labels and age.

    Attributes:
        distribution: the whole distribution over the years.
        groups: bands of years.
        uncertain_below: labels of a smaller probability are not believed; None is what the model's
            calibration says of each head.
    """

    distribution: bool = False
    groups: AgeGroups | None = None
    uncertain_below: float | None = None


@dataclass(frozen=True)
class FaceSelection:
    """Which of the faces of a picture are given.

    Attributes:
        min_side: those whose box has a longer side of so many pixels or more.
        largest: of these so many, by the area of the box; None gives all.
        min_quality: those of that quality or more; one whose quality is not known is given.
    """

    min_side: int = 0
    largest: int | None = None
    min_quality: float = 0.0

    def of(self, faces: Sequence[Face]) -> list[Face]:
        """The chosen faces in their order."""
        sides = [(face.box_xyxy[2] - face.box_xyxy[0], face.box_xyxy[3] - face.box_xyxy[1]) for face in faces]
        rows = [
            row
            for row, side in enumerate(sides)
            if max(side) >= self.min_side and _known(faces[row].quality) >= self.min_quality
        ]
        kept = sorted(rows, key=lambda row: -sides[row][0] * sides[row][1])[: self.largest]
        return [faces[row] for row in sorted(kept)]


def _known(quality: float | None) -> float:
    return 1.0 if quality is None else quality


class Analyzer:
    """A detector and a network, with the crop that fits the one to the other."""

    shift_y: float

    def __init__(
        self,
        detector: Detector,
        predictor: Network,
        margin: float | None = None,
        show_rejected: bool = False,
        reading: ReadoutOptions | None = None,
        selection: FaceSelection | None = None,
    ) -> None:
        """Takes the crop of this detector from the model's `config.json`.

        Args:
            detector: finds the boxes.
            predictor: reads the crops.
            margin: cut every face by its box, with this margin in place of the measured one: a fraction of
                the box's side, above -0.5.
            show_rejected: give also what the model takes for no face, marked `rejected`.
            reading: what is wanted beside labels and age.
            selection: which faces are given; all by default.

        Raises:
            CheckpointError: the model has no crop for this detector.
        """
        self.detector = detector
        self.predictor = predictor
        measured, self.shift_y = crop_for(predictor.checkpoint, detector)
        self.margin: float = measured if margin is None else margin
        self.by_box: bool = margin is not None
        self.chip_margin: float = chip_margin_of(predictor.checkpoint)
        self.show_rejected = show_rejected
        self.reading: ReadoutOptions = reading or ReadoutOptions()
        self.selection: FaceSelection = selection or FaceSelection()
        # Who says that the whole picture is a face is believed.
        searched = detector.name != WHOLE_PICTURE
        self.face_threshold: float | None = predictor.calibration.face_threshold if searched else None

    @property
    def checkpoints(self) -> dict[str, Checkpoint]:
        """The model that reads, by its name."""
        return {self.predictor.checkpoint.name: self.predictor.checkpoint}

    @property
    def model(self) -> str:
        """What rows call the model; of several the first."""
        return next(iter(self.checkpoints))

    def analyze(self, image_rgb: Array) -> list[Face]:
        """Every face of a (H, W, 3) uint8 RGB picture, from left to right; [] without one."""
        return self.read([self.find(image_rgb)])[0]

    def find(self, image_rgb: Array) -> FoundFaces:
        """The boxes of a (H, W, 3) uint8 RGB picture and what the network will see of them."""
        found = detect_inside(self.detector, image_rgb)
        return FoundFaces(*found, crops=(self.cut(image_rgb, found.xyxy, found.landmarks),))

    def read(self, found: Sequence[FoundFaces]) -> list[list[Face]]:
        """The faces of some pictures, read together; for each picture its own, as `analyze` gives them."""
        return [self.shown(faces) for faces in self.read_all(found)]

    def read_all(self, found: Sequence[FoundFaces], gated: bool = True) -> list[list[Face]]:
        """A face for every box, also for those that are not to be shown.

        Args:
            found: of some pictures.
            gated: mark what is no face `rejected`.
        """
        if not found:
            return []
        xyxy = np.concatenate([one.xyxy for one in found])
        scores = np.concatenate([one.scores for one in found])
        outputs = self.predictor.predict(np.concatenate([one.crops[0] for one in found]))
        alignments = [alignment for one in found for alignment in _alignments(one)]
        calibration, further = self.predictor.calibration, self.predictor.checkpoint.further
        faces = read_out(xyxy, scores, outputs, calibration, self.reading, alignments, further)
        marked = iter(mark_rejected(faces, self.face_threshold if gated else None))
        return [[next(marked) for _ in one.scores] for one in found]

    def shown(self, faces: Sequence[Face]) -> list[Face]:
        """Those that are selected, without rejected ones unless they are to be shown."""
        believed = [face for face in faces if self.show_rejected or not face.rejected]
        return self.selection.of(believed)

    def cut(self, image_rgb: Array, xyxy: Array, landmarks: Array | None = None) -> Array:
        """Crops of faces as the network takes them: upright by their landmarks, else by their boxes.

        Args:
            image_rgb: (H, W, 3) uint8.
            xyxy: (n, 4) pixels.
            landmarks: (n, 5, 2) pixels, NaN where not known, see `detect.registry.Detections`.

        Returns:
            (n, height, width, 3) uint8 RGB.
        """
        size = self.predictor.image_size
        crops = np.empty((len(xyxy), *size, 3), np.uint8)
        points = [None] * len(xyxy) if landmarks is None or self.by_box else landmarks
        for crop, box, five in zip(crops, xyxy, points, strict=True):
            matrix = None if five is None else fit_chip(five, box, size, self.chip_margin)
            if matrix is None:
                crop[:] = crop_face(image_rgb, box, self.margin, size, self.shift_y)
            else:
                crop[:] = warp(image_rgb, matrix, size)
        return crops


def chip_margin_of(checkpoint: Checkpoint) -> float:
    """By how much more than a chip the model sees, a fraction of the chip's side; 0 where nothing is said."""
    try:
        return checkpoint.crop_of(WHOLE_PICTURE)[0]
    except CheckpointError:
        return WHOLE_CHIP_MARGIN


class Alignment(NamedTuple):
    """What is known of a face without reading it: `landmarks` and `quality` as `Face` has them."""

    landmarks: tuple[tuple[float, float], ...] | None = None
    quality: float | None = None


def alignment_of(landmarks: Array | None, error: float | None) -> Alignment:
    """What landmarks (5, 2), NaN where not known, say of a face, and how far off they are to be."""
    if landmarks is None or not np.isfinite(landmarks).all():
        return Alignment()
    points = tuple((x, y) for x, y in np.asarray(landmarks, np.float64).round(1).tolist())
    return Alignment(points, None if error is None else face_quality(points, error))


def _alignments(found: FoundFaces) -> list[Alignment]:
    if found.landmarks is None:
        return [Alignment()] * len(found.scores)
    errors = [None] * len(found.scores) if found.landmark_errors is None else found.landmark_errors.tolist()
    return [alignment_of(points, error) for points, error in zip(found.landmarks, errors, strict=True)]


def crop_for(checkpoint: Checkpoint, detector: Detector) -> tuple[float, float]:
    """(margin, shift_y) with which the detector's boxes look like what the model learnt from.

    Raises CheckpointError when neither the model nor the detector says so.
    """
    try:
        return checkpoint.crop_of(detector.name)
    except CheckpointError as unknown:
        try:
            own = find_entry(detector.name).chip_crop
        except InputError:
            raise unknown from None
        if own is None:
            raise
        chip_margin, _ = checkpoint.crop_of(WHOLE_PICTURE)
        return tighter_crop(own, chip_margin)


def read_out(
    xyxy: Array,
    scores: Array,
    outputs: Mapping[str, Array],
    calibration: Calibration = IDENTITY,
    reading: ReadoutOptions | None = None,
    alignments: Sequence[Alignment] | None = None,
    further: ClassNames = MappingProxyType({}),
) -> list[Face]:
    """Faces from boxes (n, 4), scores (n,) and head -> calibrated probabilities (n, classes).

    `alignments`: what is known of each face beside; `further`: heads that the model brings.
    """
    reading = reading or ReadoutOptions()
    columns: dict[str, list[Any]] = {"face_probability": _presence(outputs, len(xyxy))}
    if alignments is not None:
        columns |= {name: [getattr(one, name) for one in alignments] for name in Alignment._fields}
    if "age" in outputs:
        columns |= _ages(outputs["age"], calibration, reading)
    columns |= {
        f"{head}_probabilities": _named(CLASS_NAMES[head], outputs[head])
        for head in FACE_HEADS
        if head in outputs
    }
    if further:
        told = {head: _named(names, outputs[head]) for head, names in further.items()}
        columns["further"] = [{head: told[head][row] for head in told} for row in range(len(xyxy))]
    doubts = doubts_of(calibration, reading.uncertain_below)
    return [
        doubts.mark(Face(tuple(box), score, **{name: column[index] for name, column in columns.items()}))
        for index, (box, score) in enumerate(zip(xyxy.tolist(), scores.tolist(), strict=True))
    ]


def _ages(probabilities: Array, calibration: Calibration, reading: ReadoutOptions) -> dict[str, list[Any]]:
    """Fields of `Face` that tell of the age, a value for each face."""
    low, high = calibration.age_interval(probabilities)
    columns: dict[str, list[Any]] = {
        "age_years": expected_age(probabilities).tolist(),
        "age_interval_90": list(zip(low.tolist(), high.tolist(), strict=True)),
    }
    if reading.distribution or reading.groups is not None:
        # As exact as a sum over many years should be, and as close to 1.
        rows = np.asarray(probabilities, np.float64)
        rows = (rows / rows.sum(axis=-1, keepdims=True)).tolist()
    if reading.distribution:
        columns["age_distribution"] = [tuple(row) for row in rows]
    if reading.groups is not None:
        columns["age_bands"] = [reading.groups.probabilities(row) for row in rows]
    return columns


def _presence(outputs: Mapping[str, Array], count: int) -> list[float | None]:
    if "face" not in outputs:
        return [None] * count
    return outputs["face"][:, PRESENCE.index("face")].tolist()


def _named(names: Sequence[str], probabilities: Array) -> list[dict[str, float]]:
    return [dict(zip(names, row, strict=True)) for row in probabilities.tolist()]


@dataclass(frozen=True)
class Agreement:
    """How alike two models answered, counting the faces that both have such a head for.

    Attributes:
        faces: that both looked at.
        age_difference: mean absolute difference in years, or None.
        same: head -> share of equal labels in [0, 1].
    """

    faces: int
    age_difference: float | None
    same: Mapping[str, float]


class AgreementCount:
    """Adds up face by face; memory does not grow."""

    def __init__(self) -> None:
        """Has seen nothing yet."""
        self._faces = 0
        self._years = [0, 0.0]
        self._labels = {head: [0, 0] for head in NAMED_HEADS}

    def add(self, one: Face, other: Face) -> None:
        """Takes what two models say of a face."""
        self._faces += 1
        if one.age_years is not None and other.age_years is not None:
            self._years[0] += 1
            self._years[1] += abs(one.age_years - other.age_years)
        for head in (head for head in one.named_heads if head in other.named_heads):
            counts = self._labels.setdefault(head, [0, 0])
            counts[0] += 1
            counts[1] += one.likeliest_class(head) == other.likeliest_class(head)

    def result(self) -> Agreement:
        """What was seen so far."""
        count, total = self._years
        same = {head: equal / seen for head, (seen, equal) in self._labels.items() if seen}
        return Agreement(self._faces, total / count if count else None, same)


class ComparingAnalyzer:
    """Finds faces once and lets every model read them, each with the crop that it was trained on.

    Its faces are those of the first model, which also decides what is no face; `by_model` holds
    what each says.
    """

    def __init__(self, analyzers: Mapping[str, Analyzer]) -> None:
        """Takes a name for each model's analyzer, two at least; they share the first's detector."""
        self._analyzers = dict(analyzers)
        self._first = next(iter(self._analyzers.values()))
        self.detector: Detector = self._first.detector
        self.show_rejected: bool = self._first.show_rejected

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._analyzers)

    @property
    def checkpoints(self) -> dict[str, Checkpoint]:
        """The models that read, by their names here."""
        return {name: analyzer.predictor.checkpoint for name, analyzer in self._analyzers.items()}

    @property
    def model(self) -> str:
        """What rows call the first model."""
        return self._first.model

    def analyze(self, image_rgb: Array) -> list[Face]:
        """Every face of a (H, W, 3) uint8 RGB picture, from left to right; [] without one."""
        return self.read([self.find(image_rgb)])[0]

    def find(self, image_rgb: Array) -> FoundFaces:
        """The boxes of a (H, W, 3) uint8 RGB picture, and every model's crops of them."""
        found = detect_inside(self.detector, image_rgb)
        every = self._analyzers.values()
        crops = tuple(analyzer.cut(image_rgb, found.xyxy, found.landmarks) for analyzer in every)
        return FoundFaces(*found, crops=crops)

    def read(self, found: Sequence[FoundFaces]) -> list[list[Face]]:
        """The faces of some pictures, as `Analyzer.read` gives them."""
        said = []
        for index, analyzer in enumerate(self._analyzers.values()):
            own = [one._replace(crops=(one.crops[index],)) for one in found]
            said.append(analyzer.read_all(own, gated=index == 0))
        merged = [self._merged(faces) for faces in zip(*said, strict=True)]
        return [self._first.shown(faces) for faces in merged]

    def _merged(self, by_model: Sequence[Sequence[Face]]) -> list[Face]:
        """One picture's faces: by_model holds each model's, in the same order."""
        return [
            faces[0]
            if faces[0].rejected
            else replace(faces[0], by_model=dict(zip(self.names, faces, strict=True)))
            for faces in zip(*by_model, strict=True)
        ]
