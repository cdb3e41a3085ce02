"""People through a video: boxes matched to tracks by overlap and distance, moved at constant velocity.

The scheme of SORT (Bewley et al. 2016): motion at constant velocity, overlap, the Hungarian
method. Of its packages, norfair wants NumPy 1 and an old rich, trackers and supervision bring
matplotlib, motpy has stood still since 2021: the run lane must stay light.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

# Not SciPy's: its import takes half a second, in the middle of a video where faces meet.
from lap import lapjv

from facecli.core.arrays import Array
from facecli.core.crops import Box, overlaps
from facecli.core.faces import Face

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
