"""Searches of the whole frame, one cascade at a time, where something changed, and now and then."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from facecli.core.crops import overlaps
from facecli.detect.haar import HaarOptions, load_cascade
from facecli.live.frames import Detection, FrameSignature, PreparedFrame
from facecli.live.tracking import SAME

FRONTAL_FILE = "haarcascade_frontalface_alt2.xml"
PROFILE_FILE = "haarcascade_profileface.xml"
_PROFILE_SHARE, _PROFILE_SHIFT = 0.86, 0.05
"""A profile's box is larger than a frontal one around the same face, and lies to the back of it
(against YuNet's boxes on scene_cuts.mp4)."""

_BORDER = 0.08
"""What changed is searched with this much around it, a fraction of the frame's sides."""
_LEAST_SHARE = 0.25
_LONGER, _LONGEST = 1.5, 2.5
"""What a search that finds nobody new makes the time to the next one grow by, and to at most."""
_HITS_OF_SCORE = 8.0


class Sizes(NamedTuple):
    """What is searched for: smallest and largest side in pixels, and the step between two sizes."""

    smallest: int
    largest: int
    step: float


class Cascade:
    """Finds faces of one pose: frontal, or a profile that looks to one side."""

    def __init__(self, path: Path, mirrored: bool = False, profile: bool = False) -> None:
        """Raises CheckpointError when `path` is not a cascade that OpenCV reads."""
        self._classifier, _ = load_cascade(path)
        self._mirrored = mirrored
        self.profile = profile

    def find(self, grey: np.ndarray, sizes: Sizes, neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """Faces in a (H, W) uint8 picture.

        Returns:
            xyxy: (n, 4) float64, as a frontal cascade would draw them.
            hits: (n,) float64, how many windows agreed; at least `neighbors`.
        """
        searched = np.ascontiguousarray(grey[:, ::-1]) if self._mirrored else grey
        boxes, hits = self._classifier.detectMultiScale2(
            searched,
            scaleFactor=sizes.step,
            minNeighbors=neighbors,
            minSize=(sizes.smallest, sizes.smallest),
            maxSize=(sizes.largest, sizes.largest),
        )
        xywh = np.reshape(boxes, (-1, 4)).astype(np.float64)
        xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        if self.profile:
            xyxy = _as_frontal(xyxy)
        if self._mirrored:
            xyxy[:, [0, 2]] = grey.shape[1] - xyxy[:, [2, 0]]
        return xyxy, np.reshape(hits, -1).astype(np.float64)


def _as_frontal(xyxy: np.ndarray) -> np.ndarray:
    """Boxes of faces that look to the left, as large as frontal ones."""
    sides = xyxy[:, 2:] - xyxy[:, :2]
    centres = (xyxy[:, :2] + xyxy[:, 2:]) / 2 - sides * (_PROFILE_SHIFT, 0)
    half = sides * _PROFILE_SHARE / 2
    return np.concatenate([centres - half, centres + half], axis=1)


@dataclass
class SearchPass:
    """One kind of search.

    Attributes:
        pose: index of its cascade.
        longest_side: of the frame that it searches, pixels.
        smallest, largest: sides of faces, as fractions of that side.
        every_s: between two searches of the whole frame; a part of it is searched more often,
            and a frame in which nobody new was found less often.
        hits: windows that must agree.
        sure_hits: windows that leave no doubt.
        last_s: time of the last search.
        patience: what `every_s` has grown by.
        seen: the frame that was searched last.
    """

    pose: int
    longest_side: int
    smallest: float
    largest: float
    every_s: float
    hits: int
    sure_hits: int
    last_s: float = -math.inf
    patience: float = 1.0
    seen: FrameSignature | None = None


def default_passes(options: HaarOptions) -> list[SearchPass]:
    """Frontal faces most often, then both profiles, then small frontal faces."""
    sure = options.min_neighbors
    some, small = max(1, sure - 3), 30 / 640
    return [
        SearchPass(0, 320, 20 / 320, 1.0, 0.25, some, sure),
        SearchPass(1, 320, 20 / 320, 1.0, 0.5, some + 1, sure + 2),
        SearchPass(2, 320, 20 / 320, 1.0, 0.5, some + 1, sure + 2),
        SearchPass(0, 640, small, 22 / 320, 1.0, sure, sure + 2),
    ]


class FrameSearch:
    """All passes over one video. At most one runs in a frame."""

    def __init__(self, cascades: Sequence[Cascade], options: HaarOptions) -> None:
        """`cascades` by pose."""
        self._cascades = cascades
        self._options = options
        self._passes = default_passes(options)

    def reset(self) -> None:
        """Another scene: all is to be searched anew."""
        for one in self._passes:
            one.last_s, one.patience, one.seen = -math.inf, 1.0, None

    def find(self, prepared: PreparedFrame, time_s: float, known: Sequence[np.ndarray]) -> list[Detection]:
        """What the pass that waited longest sees; [] while none is due.

        Args:
            prepared: the frame.
            time_s: its time.
            known: boxes, xyxy in pixels, in which nobody new is expected.
        """
        due = [(*self._due(one, prepared, time_s, known), one) for one in self._passes]
        waited, area, one = max(due, key=lambda item: item[0])
        if waited < 1:
            return []
        one.last_s, one.seen = time_s, prepared.signature
        found = self._search(one, prepared.grey, area)
        new = any(not _is_known(detection.xyxy, known) for detection in found)
        one.patience = 1.0 if new else min(one.patience * _LONGER, _LONGEST)
        return found

    def _due(
        self, one: SearchPass, prepared: PreparedFrame, time_s: float, known: Sequence[np.ndarray]
    ) -> tuple[float, tuple[float, ...]]:
        """How overdue the pass is, 1 and more is due, and what it should search."""
        area = prepared.signature.changed_since(one.seen, known)
        if area is None:
            return 0.0, ()
        left, top, right, bottom = area
        area = (
            max(left - _BORDER, 0.0),
            max(top - _BORDER, 0.0),
            min(right + _BORDER, 1.0),
            min(bottom + _BORDER, 1.0),
        )
        share = max((area[2] - area[0]) * (area[3] - area[1]), _LEAST_SHARE)
        return (time_s - one.last_s) / (one.every_s * one.patience * share), area

    def _search(self, one: SearchPass, grey: np.ndarray, area: tuple[float, ...]) -> list[Detection]:
        height, width = grey.shape
        longest = min(one.longest_side, self._options.longest_side)
        scale = min(1.0, longest / max(height, width))
        left, right = round(area[0] * width), round(area[2] * width)
        top, bottom = round(area[1] * height), round(area[3] * height)
        size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
        part = cv2.resize(grey[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
        sizes = self._sizes(one, longest, scale)
        boxes, hits = self._cascades[one.pose].find(part, sizes, one.hits)
        found = boxes / scale + (left, top, left, top)
        return [
            Detection(box, score_of(count), bool(count >= one.sure_hits), one.pose)
            for box, count in zip(found, hits, strict=True)
        ]

    def _sizes(self, one: SearchPass, longest: int, scale: float) -> Sizes:
        smallest = round(one.smallest * longest)
        if self._options.min_size is not None:
            smallest = max(smallest, round(self._options.min_size * scale))
        return Sizes(smallest, max(round(one.largest * longest), smallest), self._options.scale_factor)


def _is_known(xyxy: np.ndarray, known: Sequence[np.ndarray]) -> bool:
    return bool(known) and bool((overlaps(xyxy[None], np.array(known)) > SAME).any())


def score_of(hits: float) -> float:
    """Windows that agree as a score in [0, 1); 5 are 0.46, 16 are 0.86."""
    return 1 - math.exp(-hits / _HITS_OF_SCORE)
