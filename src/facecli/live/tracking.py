"""Where each face of a video is: frames compared by cells, faces by their looks, boxes matched to tracks.

Tracks follow the scheme of SORT (Bewley et al. 2016): motion at constant velocity, overlap, the Hungarian
method. Of its packages, norfair wants NumPy 1 and an old rich, trackers and supervision bring
matplotlib, motpy has stood still since 2021: the run lane must stay light.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

# Not SciPy's: its import takes half a second, in the middle of a video where faces meet.
from lap import lapjv

from facecli.core.arrays import Array
from facecli.core.crops import Box, overlaps
from facecli.core.faces import Face

WIDTH, HEIGHT = 64, 36
"""Cells of a signature. Averaging over a cell takes the noise of a camera away."""
_STILL = 3.0
"""Grey levels up to which a cell is the same."""
_CUT_DIFFERENCE, _CUT_DECORRELATION = 12.0, 0.5
_CUT_COLOURS = 0.6
"""Share of the picture that has other colours than before."""
_BINS = 4

_SMALLEST = 4

_PATCH_SIDE, _SEARCHED = 32, 56
"""Pixels a side of a patch and of the window that it is searched in."""
_INNER = 0.9
"""Share of the box that is looked for: less background."""
_FLAT = 1.0
"""Grey levels of standard deviation below which there are no looks."""


class FrameSignature:
    """A frame in few cells.

    Attributes:
        cells: (HEIGHT, WIDTH, 3) float32, 0 to 255.
        grey: (HEIGHT, WIDTH) float32.
    """

    def __init__(self, image_rgb: Array) -> None:
        """Looks at a (H, W, 3) uint8 RGB frame."""
        self.shape: tuple[int, ...] = image_rgb.shape
        small = cv2.resize(image_rgb, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        self.cells: Array = small.astype(np.float32)
        self.grey: Array = self.cells.mean(axis=-1)

    def is_cut_from(self, before: "FrameSignature") -> bool:
        """Is it another scene: nothing is where it was, or the colours are others?

        Measured on scene_cuts.mp4: at its cuts the pictures correlate by less than 0.25 and differ
        by 27 grey levels, elsewhere by more than 0.7 and by less than 14.
        """
        if self.shape != before.shape:
            return True
        difference = np.abs(self.grey - before.grey).mean()
        if difference <= _CUT_DIFFERENCE:
            return False
        other_colours = np.abs(self._colours() - before._colours()).sum() / 2
        decorrelation = 1 - _correlation(self.grey, before.grey)
        return bool(decorrelation > _CUT_DECORRELATION or other_colours > _CUT_COLOURS)

    def changed_since(
        self, before: "FrameSignature | None", known: Sequence[Box] = ()
    ) -> tuple[float, float, float, float] | None:
        """The rectangle that holds all change.

        Args:
            before: an earlier frame; all has changed since None or a frame of another size.
            known: boxes, xyxy in pixels, within which change does not count.

        Returns:
            xyxy in fractions of the frame; None when nothing changed.
        """
        if before is None or before.shape != self.shape:
            return 0.0, 0.0, 1.0, 1.0
        changed = np.abs(self.cells - before.cells).max(axis=-1) > _STILL
        for box in known:
            left, top, right, bottom = self._cells_of(box)
            changed[top:bottom, left:right] = False
        if not changed.any():
            return None
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        left, right = columns[0] / WIDTH, (columns[-1] + 1) / WIDTH
        top, bottom = rows[0] / HEIGHT, (rows[-1] + 1) / HEIGHT
        return float(left), float(top), float(right), float(bottom)

    def _cells_of(self, xyxy: Box) -> list[int]:
        height, width = self.shape[:2]
        shares = np.asarray(xyxy, np.float64) / (width, height, width, height)
        return np.rint(np.clip(shares, 0, 1) * (WIDTH, HEIGHT, WIDTH, HEIGHT)).astype(int).tolist()

    def _colours(self) -> Array:
        """Shares of the cells by coarse colour, (_BINS ** 3,), sum 1."""
        levels = (self.cells * (_BINS / 256)).astype(np.int64)
        indices = (levels[..., 0] * _BINS + levels[..., 1]) * _BINS + levels[..., 2]
        return np.bincount(indices.ravel(), minlength=_BINS**3) / indices.size


def _correlation(one: Array, other: Array) -> float:
    """Pearson's, in [-1, 1]; 0 when one of both is flat."""
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / scale if scale > 0 else 0.0


class PreparedFrame:
    """One frame, prepared once for all that search it."""

    def __init__(self, image_rgb: Array, signature: FrameSignature) -> None:
        """Takes a (H, W, 3) uint8 RGB frame and what it is at a signature."""
        self.image_rgb = image_rgb
        self.grey: Array = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
        self.signature = signature


class Detection(NamedTuple):
    """A face that a detector sees.

    Attributes:
        xyxy: (4,) float64 in pixels; it may reach out of the frame.
        score: in [0, 1].
        landmarks, landmark_error: (5, 2) pixels and a number, see `detect.registry.Detections`; None when
            not known.
    """

    xyxy: Array
    score: float
    landmarks: Array | None = None
    landmark_error: float | None = None

    def landmarks_in(self, xyxy: Array) -> Array:
        """The landmarks after the face has moved into another box (4,); NaN when they are not known."""
        if self.landmarks is None:
            return np.full((5, 2), np.nan)
        corner, side = self.xyxy[:2], np.maximum(self.xyxy[2:] - self.xyxy[:2], 1e-6)
        moved = (self.landmarks - corner) / side * (xyxy[2:] - xyxy[:2]) + xyxy[:2]
        return np.asarray(moved, np.float64)


class SearchWindow:
    """The square around a box. What lies outside of the picture repeats its edge.

    Attributes:
        pixels: (size, size) uint8.
        scale: pixels of the picture for one of the window.
    """

    def __init__(self, grey: Array, xyxy: Box, share: float, size: int) -> None:
        """Cuts and resizes.

        Args:
            grey: (H, W) uint8.
            xyxy: the box; its longer side counts, and it may reach out of the picture.
            share: side of the square in sides of the box.
            size: of the result in pixels.
        """
        x_min, y_min, x_max, y_max = (float(value) for value in xyxy)
        side = max(round(max(x_max - x_min, y_max - y_min) * share), _SMALLEST)
        self._left, self._top = round((x_min + x_max - side) / 2), round((y_min + y_max - side) / 2)
        self.scale: float = side / size
        interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
        square = _square(grey, self._left, self._top, side)
        self.pixels: Array = cv2.resize(square, (size, size), interpolation=interpolation)


def _square(grey: Array, left: int, top: int, side: int) -> Array:
    height, width = grey.shape
    # A square that lies all outside is drawn to the border: an empty cut has no edge to repeat.
    left, top = min(max(left, 1 - side), width - 1), min(max(top, 1 - side), height - 1)
    inside = grey[max(top, 0) : top + side, max(left, 0) : left + side]
    if inside.shape == (side, side):
        return inside
    above, before = max(-top, 0), max(-left, 0)
    below, after = side - above - inside.shape[0], side - before - inside.shape[1]
    return cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_REPLICATE)


class Patch:
    """How a face looked."""

    def __init__(self, grey: Array, xyxy: Box) -> None:
        """Remembers a box of a (H, W) uint8 picture."""
        self._pixels = SearchWindow(grey, xyxy, _INNER, _PATCH_SIDE).pixels

    def follow(self, grey: Array, xyxy: Box) -> tuple[Array, float]:
        """Searches around a box.

        Args:
            grey: (H, W) uint8.
            xyxy: where the face should be, and as large as it should be.

        Returns:
            The box (4,) float64 where it looks most like the patch, and how much: the correlation
            in [-1, 1], 0 for a flat picture.
        """
        expected = np.asarray(xyxy, np.float64)
        # To OpenCV a flat patch is like everything.
        if self._pixels.std() < _FLAT:
            return expected, 0.0
        window = SearchWindow(grey, expected, _INNER * _SEARCHED / _PATCH_SIDE, _SEARCHED)
        scores = cv2.matchTemplate(window.pixels, self._pixels, cv2.TM_CCOEFF_NORMED)
        scores[~np.isfinite(scores)] = 0
        _, best, _, corner = cv2.minMaxLoc(scores)
        moved = (np.array(corner) - (_SEARCHED - _PATCH_SIDE) / 2) * window.scale
        return expected + np.tile(moved, 2), min(max(float(best), -1.0), 1.0)


_LEARNING_S = 0.2
"""Time in which a new velocity is believed: shorter follows faster, and trembles more."""
_COASTING_S = 0.3
"""Time in which an unseen box comes to rest; nobody walks on for ever."""
_SHORTEST_S = 1e-3

SAME = 0.3
"""Overlap above which two boxes of one frame are of one face."""
_FARTHEST = 0.8
"""Distance of two centres, in sides of the larger box, beyond which boxes are not of one face."""
_LARGEST_GROWTH = 2.0
"""Ratio of two sides beyond which boxes are not of one face."""
_IMPOSSIBLE = 1e3

_PLACE, _SIZE = 0.7, 0.4
"""How far a box goes from where it should be to where it was seen; detectors tremble."""
LOST_S = 0.5
"""A face that was not seen for longer has gone; whoever comes then is somebody new."""
UNSEEN_S = 2.0
"""The same where no frame was looked at in between: a slow machine loses nobody for its slowness."""

EXPIRES_S = 0.5
"""What was said of a frame longer ago than this is no longer shown."""


class Motion:
    """One box in motion. Sizes are taken as seen last: they change slowly."""

    def __init__(self, xyxy: Box, time_s: float) -> None:
        """Begins at rest."""
        self.xyxy: Array = np.asarray(xyxy, np.float64)
        self.time_s: float = time_s
        self._velocity = np.zeros(2)

    def observe(self, xyxy: Box, time_s: float) -> None:
        """The box was seen there. A time that does not grow moves the box and teaches nothing."""
        seen = np.asarray(xyxy, np.float64)
        passed_s = time_s - self.time_s
        if passed_s >= _SHORTEST_S:
            measured = (_centre(seen) - _centre(self.xyxy)) / passed_s
            self._velocity += (1 - math.exp(-passed_s / _LEARNING_S)) * (measured - self._velocity)
        self.xyxy, self.time_s = seen, time_s

    def at(self, time_s: float) -> Array:
        """(4,) float64 xyxy at a time after the last sight; it may reach out of the picture."""
        passed_s = max(time_s - self.time_s, 0.0)
        moved = self._velocity * _COASTING_S * (1 - math.exp(-passed_s / _COASTING_S))
        return self.xyxy + np.tile(moved, 2)


def _centre(xyxy: Array) -> Array:
    return (xyxy[:2] + xyxy[2:]) / 2


def matching_costs(ones: Array, others: Array) -> Array:
    """(n, m): 0 for the same box, up to 2 for one that is just possible, inf for others."""
    sides, other_sides = _sides(ones)[:, None], _sides(others)[None]
    apart = np.linalg.norm(_centres(ones)[:, None] - _centres(others)[None], axis=-1)
    distance = apart / np.maximum(np.maximum(sides, other_sides), 1e-9) / _FARTHEST
    growth = np.maximum(sides, other_sides) / np.maximum(np.minimum(sides, other_sides), 1e-9)
    cost = 1 - overlaps(ones, others) + distance
    return np.where((distance > 1) | (growth > _LARGEST_GROWTH), np.inf, cost)


def match_tracks(cost: Array) -> list[tuple[int, int]]:
    """Pairs (row, column) that together cost the least, no pair of infinite cost (Kuhn 1955).

    Args:
        cost: (n, m), at least 0, inf where a pair may not be.
    """
    possible = np.isfinite(cost)
    # Faces apart from each other leave no choice.
    if (possible.sum(axis=0) > 1).any() or (possible.sum(axis=1) > 1).any():
        possible &= _chosen(cost)
    return [(row, column) for row, column in np.argwhere(possible).tolist()]


def _chosen(cost: Array) -> Array:
    """(n, m) bool: one pair for each row or column, whichever are fewer."""
    _, column_of, _ = lapjv(np.where(np.isfinite(cost), cost, _IMPOSSIBLE), extend_cost=True)
    chosen = np.zeros(cost.shape, bool)
    rows = np.flatnonzero(column_of >= 0)
    chosen[rows, column_of[rows]] = True
    return chosen


def _centres(xyxy: Array) -> Array:
    return (xyxy[:, :2] + xyxy[:, 2:]) / 2


def _sides(xyxy: Array) -> Array:
    return (xyxy[:, 2:] - xyxy[:, :2]).max(axis=-1, initial=0)


@dataclass(eq=False)
class Track:
    """One face from its coming to its going.

    Attributes:
        number: from 1, never given twice.
        motion: where it was seen last and where it goes.
        born_s: when it was seen first.
    """

    number: int
    motion: Motion
    born_s: float


class Tracker:
    """All faces that are there. The same boxes and times give the same numbers."""

    def __init__(self) -> None:
        """Nobody is there."""
        self.tracks: list[Track] = []
        self._next = 1
        self._looked_s = 0.0

    def forget(self, time_s: float) -> None:
        """Ends the tracks that were not seen for longer than LOST_S, or UNSEEN_S."""
        self.tracks = [track for track in self.tracks if self._may_be_there(track, time_s)]

    def end(self, track: Track) -> None:
        """That face is not there, or is another one."""
        self.tracks.remove(track)

    def end_all(self) -> None:
        """Nobody is there any more; numbers go on."""
        self.tracks = []

    def expected(self, time_s: float) -> Array:
        """(tracks, 4) float64 xyxy: where each track should be, in the order of `tracks`."""
        return np.array([track.motion.at(time_s) for track in self.tracks]).reshape(-1, 4)

    def update(self, xyxy: Array, time_s: float, penalty: Array | None = None) -> list[Track]:
        """The track of each box, a new one where none fits.

        Args:
            xyxy: (n, 4), the faces of a frame.
            time_s: of that frame.
            penalty: (tracks, n) added to the cost, inf for somebody else; rows as in `tracks`
                after `forget(time_s)`.
        """
        self.forget(time_s)
        xyxy = np.asarray(xyxy, np.float64).reshape(-1, 4)
        cost = matching_costs(self.expected(time_s), xyxy)
        pairs = match_tracks(cost if penalty is None else cost + penalty)
        found = {column: self.tracks[row] for row, column in pairs}
        for column, track in found.items():
            track.motion.observe(_steadied(track.motion.at(time_s), xyxy[column]), time_s)
        self._looked_s = time_s
        return [found.get(column) or self.begin(box, time_s) for column, box in enumerate(xyxy)]

    def begin(self, xyxy: Array, time_s: float) -> Track:
        """Somebody new."""
        track = Track(self._next, Motion(xyxy, time_s), time_s)
        self._next += 1
        self.tracks.append(track)
        return track

    def _may_be_there(self, track: Track, time_s: float) -> bool:
        missed = track.motion.time_s < self._looked_s
        return time_s - track.motion.time_s <= (LOST_S if missed else UNSEEN_S)


def _steadied(expected: Array, seen: Array) -> Array:
    """(4,) xyxy between both boxes."""
    centres = [(box[:2] + box[2:]) / 2 for box in (expected, seen)]
    sides = [box[2:] - box[:2] for box in (expected, seen)]
    centre = centres[0] + _PLACE * (centres[1] - centres[0])
    half = (sides[0] + _SIZE * (sides[1] - sides[0])) / 2
    return np.concatenate([centre - half, centre + half])


class BoxFollower:
    """Moves the faces of the last analysis on. For one thread."""

    def __init__(self) -> None:
        """Knows no face yet."""
        self._faces: tuple[Face, ...] = ()
        self._time_s = 0.0
        self._motions: dict[int, Motion] = {}

    def update(self, faces: Sequence[Face], time_s: float) -> None:
        """The faces of an analysed frame: the others have gone.

        A time before the last one is a new start (the file was wound back).
        """
        known = self._motions if time_s >= self._time_s else {}
        self._motions = {}
        for face in faces:
            if face.track is not None:
                motion = known.get(face.track) or Motion(face.box_xyxy, time_s)
                motion.observe(face.box_xyxy, time_s)
                self._motions[face.track] = motion
        self._faces, self._time_s = tuple(faces), time_s

    def at(self, time_s: float) -> list[Face]:
        """The faces with the boxes that they have by then; [] after EXPIRES_S.

        Faces without a track stay where they were. A box may reach out of the picture.
        """
        if time_s - self._time_s > EXPIRES_S:
            return []
        return [self._moved(face, time_s) for face in self._faces]

    def _moved(self, face: Face, time_s: float) -> Face:
        motion = self._motions.get(face.track) if face.track is not None else None
        if motion is None:
            return face
        x_min, y_min, x_max, y_max = (round(float(value)) for value in motion.at(time_s))
        return replace(face, box_xyxy=(x_min, y_min, x_max, y_max))
