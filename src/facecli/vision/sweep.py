"""Searches of the whole frame, one cascade at a time, where something changed, and now and then."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facecli.vision.cascade import Cascade, Sizes
from facecli.vision.glance import Glance
from facecli.vision.haar import HaarOptions
from facecli.vision.matching import SAME, overlaps
from facecli.vision.sighting import Look, Sighting

_BORDER = 0.08
"""What changed is searched with this much around it, a fraction of the frame's sides."""
_LEAST_SHARE = 0.25
_LONGER, _LONGEST = 1.5, 2.5
"""What a search that finds nobody new makes the time to the next one grow by, and to at most."""
_HITS_OF_SCORE = 8.0


@dataclass
class Pass:
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
    seen: Glance | None = None


def default_passes(options: HaarOptions) -> list[Pass]:
    """Frontal faces most often, then both profiles, then small frontal faces."""
    sure = options.min_neighbors
    some, small = max(1, sure - 3), 30 / 640
    return [
        Pass(0, 320, 20 / 320, 1.0, 0.25, some, sure),
        Pass(1, 320, 20 / 320, 1.0, 0.5, some + 1, sure + 2),
        Pass(2, 320, 20 / 320, 1.0, 0.5, some + 1, sure + 2),
        Pass(0, 640, small, 22 / 320, 1.0, sure, sure + 2),
    ]


class Sweep:
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

    def find(self, look: Look, time_s: float, known: Sequence[np.ndarray]) -> list[Sighting]:
        """What the pass that waited longest sees; [] while none is due.

        Args:
            look: the frame.
            time_s: its time.
            known: boxes, xyxy in pixels, in which nobody new is expected.
        """
        due = [(*self._due(one, look, time_s, known), one) for one in self._passes]
        waited, area, one = max(due, key=lambda item: item[0])
        if waited < 1:
            return []
        one.last_s, one.seen = time_s, look.glance
        found = self._search(one, look.grey, area)
        new = any(not _is_known(sighting.xyxy, known) for sighting in found)
        one.patience = 1.0 if new else min(one.patience * _LONGER, _LONGEST)
        return found

    def _due(
        self, one: Pass, look: Look, time_s: float, known: Sequence[np.ndarray]
    ) -> tuple[float, tuple[float, ...]]:
        """How overdue the pass is, 1 and more is due, and what it should search."""
        area = look.glance.changed_since(one.seen, known)
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

    def _search(self, one: Pass, grey: np.ndarray, area: tuple[float, ...]) -> list[Sighting]:
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
            Sighting(box, score_of(count), bool(count >= one.sure_hits), one.pose)
            for box, count in zip(found, hits, strict=True)
        ]

    def _sizes(self, one: Pass, longest: int, scale: float) -> Sizes:
        smallest = round(one.smallest * longest)
        if self._options.min_size is not None:
            smallest = max(smallest, round(self._options.min_size * scale))
        return Sizes(smallest, max(round(one.largest * longest), smallest), self._options.scale_factor)


def _is_known(xyxy: np.ndarray, known: Sequence[np.ndarray]) -> bool:
    return bool(known) and bool((overlaps(xyxy[None], np.array(known)) > SAME).any())


def score_of(hits: float) -> float:
    """Windows that agree as a score in [0, 1); 5 are 0.46, 16 are 0.86."""
    return 1 - math.exp(-hits / _HITS_OF_SCORE)
