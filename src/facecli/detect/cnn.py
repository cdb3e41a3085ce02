"""facecli's own detector, and the closer look at each face that any detector found: two small networks.

The detector sees turned, small and half-covered faces, finds landmarks too, and costs less than Haar's
cascade. Its folder is `saved_model/face_detector` (docs/detector.md tells how it was trained and what it
finds). A closer look is laid upright by what is known by then, whatever way the head is turned. So it
tells landmarks more exactly than a search of the whole picture could, and how far off it expects to be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from facecli.core.arrays import Array
from facecli.core.crops import (
    CELL_OUTPUTS,
    CLOSEUP_OUTPUTS,
    CLOSEUP_SIDE,
    STRIDES,
    cell_centres,
    clip_boxes,
    closeup_of_box,
    decode_boxes,
    decode_error,
    decode_landmarks,
    decode_points,
    order_from_left_to_right,
    upright_closeup,
    warp,
)
from facecli.core.errors import CheckpointError
from facecli.core.paths import DETECTOR_MODEL, LANDMARKS, LANDMARKS_MODEL, find_model
from facecli.core.process import quiet_stderr
from facecli.detect.registry import Detections, DetectorEntry, check_range
from facecli.models.checkpoint import LITERT_FILE, Checkpoint, load_detector, load_finder
from facecli.models.litert import open_network
from facecli.models.terms import DETECTOR_TERMS

if TYPE_CHECKING:
    from facecli.models.litert import LiteRtNetwork


NAME = "cnn"
CHIP_CROP = (-0.004, 0.030)
"""(margin, shift_y) with which its boxes look like chips."""
_STEP = STRIDES[-1]
_NMS_THRESHOLD = 0.4
_MOST_CANDIDATES = 2000
_USUALLY_LOOKED_AT = 0.25
_TILED = 1.75
"""Longer side of a picture that is searched in tiles, in sides of a tile: two of them, and their overlap."""
_OVERLAP, _EDGE = 0.15, 0.05
"""Of tiles, in their sides; and how near to the edge of its tile a face is cut off, in its sides."""
_SMALL = 0.2
"""Faces of up to that many sides of a tile are looked for in tiles."""
_SURE = 0.08
"""Landmarks that are expected to be less far off are not looked at again."""
_Found = tuple[Array, Array, Array]
"""Boxes (n, 4), scores (n,), landmarks (n, 5, 2)."""


@dataclass(frozen=True)
class CnnOptions:
    """How the network searches.

    Attributes:
        weights: folder of another detector that `facecli train --model-type detector` has made.
        score_threshold: faces below this score are dropped, in [0, 1]; None is what was measured to be
            best for this network.
        longest_side: larger pictures are shrunk to this longer side before the search, pixels.
        tiles: pictures that are larger still are also searched at 1.75 times that size, in overlapping tiles.
        refine: look closer at each find (`LandmarkFinder`): landmarks are exact, what is none is left out.
        cover: faces are to be covered: drop only what scores far below what else is dropped, since a cover
            on something else costs less than a face that is seen.
        threads: of the network; None takes the cores, at most 4.
    """

    weights: Path | None = None
    score_threshold: float | None = None
    longest_side: int = 640
    tiles: bool = True
    refine: bool = True
    cover: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        """Raises InputError for a value that finds nothing."""
        if self.score_threshold is not None:
            check_range(NAME, "score_threshold", self.score_threshold, 0.01, 1.0)
        check_range(NAME, "longest_side", self.longest_side, 16, 4096)
        check_range(NAME, "threads", 1 if self.threads is None else self.threads, 1)


class CloseLook(NamedTuple):
    """What is seen of each face.

    Attributes:
        landmarks: (n, 5, 2) float32 pixels, see `detect.registry.Detections`.
        errors: (n,) float32, how far off these are to be, in distances between the eyes.
        faces: (n,) float32 in [0, 1], is it a face?
    """

    landmarks: Array
    errors: Array
    faces: Array


@dataclass(frozen=True)
class ScoreCalibration:
    """How probable it is that a find is a face, after a closer look at it: a logistic regression.

    Attributes:
        search_threshold: finds of the search that score less are not looked at.
        weights: of the score's logit, of the closer look's logit of a face, of the logarithm of its error.
        bias: what is added to these.
        score_threshold, cover_threshold: probabilities below which a find is dropped.
    """

    search_threshold: float
    weights: tuple[float, ...]
    bias: float
    score_threshold: float
    cover_threshold: float

    def probabilities(self, scores: Array, look: CloseLook) -> Array:
        """(n,) float32 of finds with the search's scores (n,)."""
        return _sigmoid(score_features(scores, look) @ self.weights + self.bias).astype(np.float32)


def score_features(scores: Array, look: CloseLook) -> Array:
    """(n, 3): what `ScoreCalibration.weights` weigh."""
    return np.stack([_logit(scores), _logit(look.faces), np.log(look.errors + 1e-6)], axis=1)


def _logit(probabilities: Array) -> Array:
    clipped = np.clip(np.asarray(probabilities, np.float64), 1e-4, 1 - 1e-4)
    return np.log(clipped / (1 - clipped))


def _sigmoid(logits: Array) -> Array:
    return 1 / (1 + np.exp(-logits))


def decode(
    outputs: Mapping[str, Array], image_size: tuple[int, int], score_threshold: float
) -> tuple[Array, Array, Array]:
    """What the network says of one picture, as faces.

    Args:
        outputs: name -> (cells, values), see `models.networks`; the score is a logit.
        image_size: (height, width) of what it saw, multiples of the largest stride.
        score_threshold: in (0, 1); cells that say less are left out.

    Returns:
        xyxy: (n, 4) float32 in pixels, perhaps beyond the picture; each face once (greedy non-maximum
            suppression), the surest first.
        scores: (n,) float32 in [0, 1].
        landmarks: (n, 5, 2) float32 in pixels, in the order of `core.crops`.
    """
    logits = np.asarray(outputs["score"], np.float32).reshape(-1)
    chosen = np.flatnonzero(logits >= np.log(score_threshold / (1 - min(score_threshold, 1 - 1e-6))))
    if len(chosen) > _MOST_CANDIDATES:
        chosen = chosen[np.argpartition(-logits[chosen], _MOST_CANDIDATES)[:_MOST_CANDIDATES]]
    centres, strides = cell_centres(image_size)
    centres, strides = centres[chosen], strides[chosen]
    xyxy = decode_boxes(outputs["box"][chosen], centres, strides).astype(np.float32)
    scores = _sigmoid(logits[chosen])
    kept = _suppress_overlaps(xyxy, scores)
    landmarks = decode_landmarks(outputs["landmarks"][chosen[kept]], centres[kept], strides[kept])
    return xyxy[kept], scores[kept], landmarks.astype(np.float32)


def padded(image_rgb: Array) -> Array:
    """The picture with black to its right and below, so that the largest stride divides its sides."""
    below, beside = (-side % _STEP for side in image_rgb.shape[:2])
    if not below and not beside:
        return image_rgb
    return cv2.copyMakeBorder(image_rgb, 0, below, 0, beside, cv2.BORDER_CONSTANT)


class CnnDetector:
    """Finds faces and their landmarks with the network of one folder."""

    name = NAME
    every_s: float = 0.05

    def __init__(self, options: CnnOptions) -> None:
        """Loads the network once.

        Raises:
            CheckpointError: no such folder, or its files are damaged or of another network.
        """
        self.options = options
        checkpoint = load_detector(options.weights or find_model(DETECTOR_MODEL))
        self._finder = LandmarkFinder(threads=options.threads) if options.refine else None
        fitted = checkpoint.config.get("refinement") if options.refine else None
        known = [field.name for field in fields(ScoreCalibration)]
        self._calibration = None if fitted is None else ScoreCalibration(*(fitted[name] for name in known))
        measured = fitted or checkpoint.config
        wanted = options.score_threshold or float(
            measured["cover_threshold" if options.cover else "score_threshold"]
        )
        self.score_threshold = wanted
        self._search_threshold = wanted if fitted is None else _searched(wanted, fitted)
        self._checkpoint = checkpoint
        self._runner = _opened(checkpoint, options.threads)
        self._tile_runner: LiteRtNetwork | None = None

    def detect(self, frame_rgb: Array) -> Detections:
        """Finds every face of a (H, W, 3) uint8 RGB picture, with landmarks."""
        found = [self._search(frame_rgb, self.options.longest_side)]
        if self.options.tiles:
            found += self._search_tiles(frame_rgb)
        xyxy, scores, landmarks = (np.concatenate(parts) for parts in zip(*found, strict=True))
        if len(found) > 1:
            kept = _suppress_overlaps(xyxy, scores)
            xyxy, scores, landmarks = xyxy[kept], scores[kept], landmarks[kept]
        boxes = clip_boxes(xyxy, frame_rgb.shape[1::-1])
        order = order_from_left_to_right(boxes)
        return self._looked_at(frame_rgb, Detections(boxes[order], scores[order], landmarks[order]))

    def _looked_at(self, frame_rgb: Array, found: Detections) -> Detections:
        """After a closer look at each find: those that are faces, with exact landmarks."""
        if self._finder is None:
            return found
        look = self._finder.find(frame_rgb, found.xyxy, CHIP_CROP, found.landmarks)
        scores = found.scores
        if self._calibration is not None:
            scores = self._calibration.probabilities(scores, look)
        kept = scores >= self.score_threshold
        return Detections(found.xyxy[kept], scores[kept], look.landmarks[kept], look.errors[kept])

    def _search(self, image_rgb: Array, longest_side: int, runner: "LiteRtNetwork | None" = None) -> _Found:
        """One look at a picture, shrunk to that longer side: boxes and landmarks are float32 pixels of it."""
        height, width = image_rgb.shape[:2]
        scale = min(1.0, longest_side / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        seen = cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else image_rgb
        seen = padded(seen)
        outputs = {name: values[0] for name, values in (runner or self._runner)(image=seen[None]).items()}
        xyxy, scores, landmarks = decode(outputs, seen.shape[:2], self._search_threshold)
        there = (xyxy[:, 0] < size[0]) & (xyxy[:, 1] < size[1]) & (xyxy[:, 2:] > 0).all(axis=1)
        steps = np.array([width / size[0], height / size[1]], np.float32)
        return xyxy[there] * np.tile(steps, 2), scores[there], landmarks[there] * steps

    def _search_tiles(self, image_rgb: Array) -> list[_Found]:
        """Looks at overlapping parts of a picture that is much larger than what is searched at once."""
        height, width = image_rgb.shape[:2]
        side = self.options.longest_side
        scale = _TILED * side / max(height, width)
        if scale > 1:
            return []
        size = max(1, round(width * scale)), max(1, round(height * scale))
        larger = cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA)
        if self._tile_runner is None:
            # An interpreter plans anew for every other size: whole pictures and tiles by turns cost more
            # than the search.
            self._tile_runner = _opened(self._checkpoint, self.options.threads)
        found = []
        for top in _starts(larger.shape[0], side):
            for left in _starts(larger.shape[1], side):
                tile = np.ascontiguousarray(larger[top : top + side, left : left + side])
                xyxy, scores, landmarks = self._search(tile, side, self._tile_runner)
                # Larger ones are seen in the whole picture, with their surroundings.
                small = np.maximum(*(xyxy[:, 2:] - xyxy[:, :2]).T) <= _SMALL * side
                kept = small & ~_cut_off(xyxy, (left, top), _size(tile), _size(larger))
                corner = np.array([left, top], np.float32)
                found.append(
                    (
                        (xyxy[kept] + np.tile(corner, 2)) / scale,
                        scores[kept],
                        (landmarks[kept] + corner) / scale,
                    )
                )
        return found


def _searched(wanted: float, fitted: Mapping[str, float]) -> float:
    """The search's own score from which on finds are looked at closer, to get those of that probability."""
    lowest = float(fitted["search_threshold"])
    # What scores less is hardly ever called a face in the end, and costs a look.
    return max(lowest, _USUALLY_LOOKED_AT) if wanted >= float(fitted["score_threshold"]) else lowest


def _size(image: Array) -> tuple[int, int]:
    """Width and height."""
    return image.shape[1], image.shape[0]


def _starts(length: int, side: int) -> list[int]:
    """Where overlapping tiles of `side` pixels begin along a picture of `length`."""
    count = max(int(np.ceil((length - side) / (side * (1 - _OVERLAP)))) + 1, 1)
    return [round(start) for start in np.linspace(0, max(length - side, 0), count)]


def _cut_off(
    xyxy: Array, corner: tuple[int, int], tile_wh: tuple[int, int], picture_wh: tuple[int, int]
) -> Array:
    """(n,) does a box touch an edge of its tile that is none of the picture? Another tile has it whole."""
    near = _EDGE * np.maximum(*(xyxy[:, 2:] - xyxy[:, :2]).T)
    cut = np.zeros(len(xyxy), bool)
    for axis in (0, 1):
        if corner[axis] > 0:
            cut |= xyxy[:, axis] < near
        if corner[axis] + tile_wh[axis] < picture_wh[axis]:
            cut |= xyxy[:, 2 + axis] > tile_wh[axis] - near
    return cut


def _suppress_overlaps(xyxy: Array, scores: Array) -> Array:
    """Positions of the boxes that are left of those that overlap: greedy non-maximum suppression."""
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)
    return np.array(cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), 0.0, _NMS_THRESHOLD), np.intp)


def _opened(checkpoint: Checkpoint, threads: int | None) -> "LiteRtNetwork":
    """The network, after an empty picture was searched. Raises CheckpointError."""
    runner, path = open_network(checkpoint, threads), checkpoint.folder / LITERT_FILE
    try:
        with quiet_stderr():
            found = runner(image=np.zeros((1, _STEP, _STEP, 3), np.uint8))
    except (ValueError, RuntimeError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} is not a face detector of facecli ({reason})") from error
    cells = len(cell_centres((_STEP, _STEP))[0])
    wanted = {name: (1, cells, values) for name, values in CELL_OUTPUTS.items()}
    if {name: values.shape for name, values in found.items()} != wanted:
        raise CheckpointError(f"{path} does not have the outputs of a face detector of facecli")
    return runner


class LandmarkFinder:
    """Looks closer with the network of one folder. For one thread."""

    def __init__(self, name: str = LANDMARKS_MODEL, threads: int | None = None) -> None:
        """Loads the network once.

        Raises:
            CheckpointError: no such folder, or its files are damaged or of another network.
        """
        checkpoint = load_finder(find_model(name), LANDMARKS)
        self._runner = open_network(checkpoint, threads)
        path = checkpoint.folder / LITERT_FILE
        try:
            with quiet_stderr():
                found = self._runner(image=np.zeros((1, CLOSEUP_SIDE, CLOSEUP_SIDE, 3), np.uint8))
        except (ValueError, RuntimeError, KeyError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise CheckpointError(f"{path} does not find landmarks ({reason})") from error
        if {name: values.shape for name, values in found.items()} != {
            name: (1, values) for name, values in CLOSEUP_OUTPUTS.items()
        }:
            raise CheckpointError(f"{path} does not have the outputs of a landmark network")

    def find(
        self,
        image_rgb: Array,
        xyxy: Array,
        crop: tuple[float, float],
        landmarks: Array | None = None,
    ) -> CloseLook:
        """Looks at each face until its landmarks are sure, three times more at most.

        Args:
            image_rgb: (H, W, 3) uint8.
            xyxy: (n, 4) pixels; n may be 0.
            crop: (margin, shift_y) with which the boxes are chips, see `core.crops.crop_face`.
            landmarks: (n, 5, 2) pixels, what the detector thinks; the first look is laid upright by them.
        """
        if not len(xyxy):
            nothing = np.empty(0, np.float32)
            return CloseLook(np.empty((0, 5, 2), np.float32), nothing, nothing)
        by_box = np.stack([closeup_of_box(box, *crop) for box in xyxy])
        best = self._look(image_rgb, by_box if landmarks is None else _upright(landmarks, by_box))
        doubtful = np.flatnonzero(best.errors >= (_SURE if landmarks is not None else 0))
        if not len(doubtful):
            return best
        boxes = by_box[doubtful]
        starts = [_of(best, doubtful).landmarks]
        if landmarks is not None:
            # Of a head that is turned far a detector's landmarks may be upside down.
            anew = self._look(image_rgb, boxes)
            best = _better(best, anew, doubtful)
            starts.append(anew.landmarks)
        for start in starts:
            best = _better(best, self._look(image_rgb, _upright(start, boxes)), doubtful)
        return best

    def _look(self, image_rgb: Array, maps: Array) -> CloseLook:
        """One look through maps (n, 2, 3) from the picture to close-ups."""
        closeups = np.stack([warp(image_rgb, one, (CLOSEUP_SIDE, CLOSEUP_SIDE)) for one in maps])
        found = self._runner(image=closeups)
        points = decode_points(found["landmarks"]) - maps[:, None, :, 2]
        # The way back of a similarity.
        back = np.linalg.inv(maps[:, :, :2]).astype(np.float32)
        landmarks = np.einsum("nij,nkj->nki", back, points)
        faces = 1 / (1 + np.exp(-np.asarray(found["face"], np.float32).reshape(-1)))
        return CloseLook(landmarks.astype(np.float32), decode_error(found["error"]), faces)


def _upright(landmarks: Array, otherwise: Array) -> Array:
    """Maps (n, 2, 3) to close-ups upright by landmarks (n, 5, 2); `otherwise` where these coincide."""
    fits = [upright_closeup(points) if np.isfinite(points).all() else None for points in landmarks]
    return np.stack([old if fit is None else fit for old, fit in zip(otherwise, fits, strict=True)])


def _of(look: CloseLook, rows: Array) -> CloseLook:
    return CloseLook(look.landmarks[rows], look.errors[rows], look.faces[rows])


def _better(best: CloseLook, other: CloseLook, rows: Array) -> CloseLook:
    """`best`, with those of `rows` replaced of which `other` is surer."""
    surer = other.errors < best.errors[rows]
    for held, seen in zip(best, other, strict=True):
        held[rows[surer]] = seen[surer]
    return best


DETECTOR = DetectorEntry(
    CnnDetector,
    DETECTOR_TERMS,
    CnnOptions,
    chip_crop=CHIP_CROP,
    look_closer=partial(LandmarkFinder, LANDMARKS_MODEL),
)
