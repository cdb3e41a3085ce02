"""People through a video: each box gets the number of the face that it goes on from.

The scheme of SORT (Bewley et al. 2016): motion at constant velocity, overlap, the Hungarian
method. Of its packages, norfair wants NumPy 1 and an old rich, trackers and supervision bring
matplotlib, motpy has stood still since 2021: the run lane must stay light.
"""

from dataclasses import dataclass

import numpy as np

from facecli.vision.matching import costs, match
from facecli.vision.motion import Motion

_PLACE, _SIZE = 0.7, 0.4
"""How far a box goes from where it should be to where it was seen; detectors tremble."""
LOST_S = 0.5
"""A face that was not seen for longer has gone; whoever comes then is somebody new."""
UNSEEN_S = 2.0
"""The same where no frame was looked at in between: a slow machine loses nobody for its slowness."""


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

    def expected(self, time_s: float) -> np.ndarray:
        """(tracks, 4) float64 xyxy: where each track should be, in the order of `tracks`."""
        return np.array([track.motion.at(time_s) for track in self.tracks]).reshape(-1, 4)

    def update(self, xyxy: np.ndarray, time_s: float, penalty: np.ndarray | None = None) -> list[Track]:
        """The track of each box, a new one where none fits.

        Args:
            xyxy: (n, 4), the faces of a frame.
            time_s: of that frame.
            penalty: (tracks, n) added to the cost, inf for somebody else; rows as in `tracks`
                after `forget(time_s)`.
        """
        self.forget(time_s)
        xyxy = np.asarray(xyxy, np.float64).reshape(-1, 4)
        cost = costs(self.expected(time_s), xyxy)
        pairs = match(cost if penalty is None else cost + penalty)
        found = {column: self.tracks[row] for row, column in pairs}
        for column, track in found.items():
            track.motion.observe(_steadied(track.motion.at(time_s), xyxy[column]), time_s)
        self._looked_s = time_s
        return [found.get(column) or self.begin(box, time_s) for column, box in enumerate(xyxy)]

    def begin(self, xyxy: np.ndarray, time_s: float) -> Track:
        """Somebody new."""
        track = Track(self._next, Motion(xyxy, time_s), time_s)
        self._next += 1
        self.tracks.append(track)
        return track

    def _may_be_there(self, track: Track, time_s: float) -> bool:
        missed = track.motion.time_s < self._looked_s
        return time_s - track.motion.time_s <= (LOST_S if missed else UNSEEN_S)


def _steadied(expected: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(4,) xyxy between both boxes."""
    centres = [(box[:2] + box[2:]) / 2 for box in (expected, seen)]
    sides = [box[2:] - box[:2] for box in (expected, seen)]
    centre = centres[0] + _PLACE * (centres[1] - centres[0])
    half = (sides[0] + _SIZE * (sides[1] - sides[0])) / 2
    return np.concatenate([centre - half, centre + half])
