"""Sets of boxes, split and taught: what a detector is trained and measured on.

A teacher looks at each picture several times, enlarged and mirrored. What it finds surely and nobody marked
is a face; what it finds now and then is neither to be found nor to be left out. Where a picture is known to
show no face, the teacher is not asked.
"""

import hashlib
import logging
import os
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from facecli.core import paths
from facecli.core.arrays import Array
from facecli.core.console import with_bar
from facecli.core.crops import MIRRORED_LANDMARKS, overlaps
from facecli.core.images import load_image
from facecli.data.boxes import BoxPicture, open_boxes, split_of
from facecli.detect.registry import Detector
from facecli.detect.yunet import YunetDetector, YunetOptions
from facecli.models.checkpoint import file_sha256

log: logging.Logger = logging.getLogger(__name__)

SMALLEST = 16
"""Smaller faces need not be found: they count neither way."""
_TEACHER_SCORE = 0.3
"""From which on a teacher's finds are looked at; `with_finds` decides what they mean."""
VERSION = 1
"""Raised when the same pictures would be answered otherwise."""
ENLARGED = (1.0, 2.0)
"""Sizes at which each picture is looked at, as it is and mirrored."""
SURE_SCORE, SURE_SHARE = 0.8, 0.5
"""A find is sure when its best score is that high, and that share of all looks found it."""
DOUBTFUL_SCORE = 0.45
"""What was found with a lower best score is forgotten."""
SAME = 0.4
"""Boxes that overlap by more (intersection over union) are one face."""


class Finds(NamedTuple):
    """What a teacher says of a picture: boxes (n, 4), landmarks (n, 5, 2), best scores (n,), looks (n,).

    `looks` is the share of the looks that found the face.
    """

    xyxy: Array
    landmarks: Array
    scores: Array
    looks: Array


def ask_teacher(
    pictures: Sequence[BoxPicture], build: Callable[[], Detector], weights: Path | None = None
) -> dict[Path, Finds]:
    """File -> what a teacher finds in each picture, but for those that are known to show no face.

    Args:
        pictures: of any sets.
        build: makes a teacher; one is made for each thread.
        weights: the teacher's file: answers are kept in the cache by its digest.

    Raises:
        ImageError: a picture cannot be decoded.
    """
    asked = [one for one in pictures if not one.labelled or len(one.xyxy)]
    return dict(zip((one.file for one in asked), _answers(asked, build, weights), strict=True))


def with_finds(picture: BoxPicture, finds: Finds) -> BoxPicture:
    """A picture after its teacher was heard.

    A marked face that the teacher finds has the teacher's landmarks, and its box, which is drawn alike
    in all sets; sure finds that nobody marked become faces, doubtful ones are ignored.
    """
    sure = (finds.scores >= SURE_SCORE) & (finds.looks >= SURE_SHARE)
    shared = overlaps(picture.xyxy, finds.xyxy)
    boxes, landmarks = picture.xyxy.copy(), picture.landmarks.copy()
    free = np.ones(len(finds.xyxy), bool)
    for index in range(len(boxes)):
        if not free.any() or (best := int(np.where(free, shared[index], -1).argmax())) < 0:
            break
        if shared[index, best] < SAME:
            continue
        free[best] = False
        if finds.scores[best] >= DOUBTFUL_SCORE:
            boxes[index], landmarks[index] = finds.xyxy[best], finds.landmarks[best]
    # A find in a marked face, such as one of two in a face that another one hides, is no other face.
    free &= shared.max(axis=0, initial=0.0) < SAME / 2
    return replace(
        picture,
        xyxy=np.concatenate([boxes, finds.xyxy[free]]),
        landmarks=np.concatenate([landmarks, finds.landmarks[free]]),
        ignored=np.concatenate([picture.ignored, ~sure[free]]),
    )


def look(image_rgb: Array, teacher: Detector) -> Finds:
    """What a teacher finds in a (H, W, 3) uint8 RGB picture, at all sizes and mirrored."""
    boxes: list[Array] = [np.empty((0, 4))]
    points: list[Array] = [np.empty((0, 5, 2))]
    scores: list[Array] = [np.empty(0)]
    for size in ENLARGED:
        seen = image_rgb if size == 1 else cv2.resize(image_rgb, None, fx=size, fy=size)
        for mirrored in (False, True):
            looked = np.ascontiguousarray(seen[:, ::-1]) if mirrored else seen
            xyxy, score, landmarks, _ = teacher.detect(looked)
            if landmarks is None:
                raise ValueError(f"{teacher.name} knows no landmarks and cannot teach")
            if mirrored:
                xyxy, landmarks = mirror(xyxy.astype(np.float64), landmarks, looked.shape[1])
            boxes.append(xyxy / size)
            points.append(landmarks / size)
            scores.append(score)
    return _merged(np.concatenate(boxes), np.concatenate(points), np.concatenate(scores))


def _merged(xyxy: Array, landmarks: Array, scores: Array) -> Finds:
    """Finds of all looks, each face once: the mean of what overlaps the surest, weighted by score."""
    left = np.argsort(-scores, kind="stable")
    boxes, points, best, looks = [], [], [], []
    while len(left) and scores[left[0]] >= DOUBTFUL_SCORE:
        same = left[overlaps(xyxy[left[:1]], xyxy[left])[0] > SAME]
        weights = scores[same] / scores[same].sum()
        boxes.append(weights @ xyxy[same])
        points.append(np.tensordot(weights, landmarks[same], 1))
        best.append(scores[left[0]])
        looks.append(min(len(same) / (2 * len(ENLARGED)), 1))
        left = left[~np.isin(left, same)]
    return Finds(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(points, np.float32).reshape(-1, 5, 2),
        np.array(best, np.float32),
        np.array(looks, np.float32),
    )


def mirror(xyxy: Array, landmarks: Array, width: float) -> tuple[Array, Array]:
    """Boxes (n, 4) and landmarks (n, 5, 2) of a picture, in its mirror image."""
    flipped = np.stack([width - xyxy[:, 2], xyxy[:, 1], width - xyxy[:, 0], xyxy[:, 3]], axis=1)
    points = landmarks[:, MIRRORED_LANDMARKS, :].copy()
    points[..., 0] = width - points[..., 0]
    return flipped, points


def _answers(
    pictures: Sequence[BoxPicture], build: Callable[[], Detector], weights: Path | None
) -> list[Finds]:
    store = paths.cache_dir() / "teacher" / f"{_key(pictures, weights)}.npz"
    if weights is not None and store.is_file():
        return _stored(store)
    own = threading.local()

    def answer(picture: BoxPicture) -> Finds:
        if not hasattr(own, "teacher"):
            own.teacher = build()
        return look(load_image(picture.file), own.teacher)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        found = list(with_bar(pool.map(answer, pictures), "asking the teacher", len(pictures)))
    if weights is not None:
        _keep(store, found)
    return found


def _key(pictures: Sequence[BoxPicture], weights: Path | None) -> str:
    text = hashlib.sha256(f"{VERSION} {file_sha256(weights) if weights else ''}".encode())
    for picture in pictures:
        text.update(f"\n{picture.file.name} {picture.file.stat().st_size}".encode())
    return text.hexdigest()[:24]


def _keep(store: Path, found: Sequence[Finds]) -> None:
    with paths.replacing(store) as temporary, open(temporary, "wb") as file:
        arrays = {name: np.concatenate([getattr(one, name) for one in found]) for name in Finds._fields}
        np.savez(file, counts=np.array([len(one.scores) for one in found]), **arrays)


def _stored(store: Path) -> list[Finds]:
    with np.load(store, allow_pickle=False) as arrays:
        ends = np.cumsum(arrays["counts"])[:-1]
        return [
            Finds(*parts) for parts in zip(*(np.split(arrays[n], ends) for n in Finds._fields), strict=True)
        ]


@dataclass(frozen=True)
class Truth:
    """What is in a picture.

    Attributes:
        xyxy: (n, 4) boxes in pixels.
        ignored: (n,) bool: neither to be found nor to be left out.
        landmarks: (n, 5, 2) pixels; NaN where not known.
        unmarked: (n,) bool: only a teacher saw it.
    """

    xyxy: Array
    ignored: Array
    landmarks: Array
    unmarked: Array

    @property
    def sides(self) -> Array:
        """(n,) longer sides in pixels."""
        return np.maximum(self.xyxy[:, 2] - self.xyxy[:, 0], self.xyxy[:, 3] - self.xyxy[:, 1])

    @property
    def wanted(self) -> Array:
        """(n,) bool: what is to be found."""
        return ~self.ignored & (self.sides >= SMALLEST)


@dataclass(frozen=True)
class BoxData:
    """What a detector learns from and is measured on.

    Attributes:
        name: of the set.
        train: after a teacher was heard, when there is one.
        val, test: as marked.
        finds: file -> what the teacher says of pictures of `val` and `test`.
    """

    name: str
    train: Sequence[BoxPicture]
    val: Sequence[BoxPicture]
    test: Sequence[BoxPicture]
    finds: Mapping[Path, Finds]

    def truths(self, pictures: Sequence[BoxPicture]) -> list[Truth]:
        """What is to be found there, see `truth_of`."""
        return [truth_of(one, self.finds.get(one.file)) for one in pictures]


def truth_of(picture: BoxPicture, finds: Finds | None) -> Truth:
    """What is to be found in a picture: what is marked there, with a teacher's landmarks.

    What only the teacher finds is to be ignored, unless nobody marked anything in the picture.
    """
    marked = len(picture.xyxy)
    if finds is None:
        return Truth(picture.xyxy, picture.ignored, picture.landmarks, np.zeros(marked, bool))
    taught = with_finds(picture, finds)
    unmarked = np.arange(len(taught.xyxy)) >= marked
    if not picture.labelled:
        return Truth(taught.xyxy, taught.ignored, taught.landmarks, taught.ignored)
    boxes = np.concatenate([picture.xyxy, taught.xyxy[marked:]])
    return Truth(boxes, np.concatenate([picture.ignored, unmarked[marked:]]), taught.landmarks, unmarked)


def prepare_boxes(
    places: Sequence[Path],
    seed: int,
    limit: int | None = None,
    teacher: Path | None = None,
    only: str = "all",
) -> list[BoxData]:
    """Opens sets of boxes, splits each by group, and asks a teacher.

    Args:
        places: see `data.boxes.open_boxes`.
        seed: decides the splits.
        limit: keep that many random pictures of each set.
        only: the split that is wanted: a teacher is not asked for others.
        teacher: YuNet's weights. Without one, pictures that nobody labelled are left out.

    Raises:
        InputError, DataError: a place is no set of boxes.
        CheckpointError: `teacher` is no such network.
        ImageError: a picture cannot be decoded.
    """
    return [_prepare_one(place, seed, limit, teacher, only) for place in places]


def _prepare_one(place: Path, seed: int, limit: int | None, teacher: Path | None, only: str) -> BoxData:
    found = open_boxes(place)
    pictures = found.split(only, seed)
    if limit and limit < len(pictures):
        pictures = random.Random(seed).sample(pictures, limit)
    finds: dict[Path, Finds] = {}
    if teacher is not None:
        options = YunetOptions(teacher, _TEACHER_SCORE, longest_side=10_000)
        finds = ask_teacher(pictures, lambda: YunetDetector(options), teacher)
    elif nobody := sum(not one.labelled for one in pictures):
        log.warning("%s: %d pictures without labels are left out for want of a teacher", found.name, nobody)
    parts: dict[str, list[BoxPicture]] = {"train": [], "val": [], "test": []}
    for one in pictures:
        answer = finds.get(one.file)
        if one.labelled or (answer is not None and not with_finds(one, answer).ignored.all()):
            parts[split_of(one.group, seed)].append(one)
    train = [with_finds(one, finds[one.file]) if one.file in finds else one for one in parts["train"]]
    return BoxData(found.name, train, parts["val"], parts["test"], finds)
