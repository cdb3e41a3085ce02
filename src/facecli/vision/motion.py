"""Where a box goes next: constant velocity that is learnt from its last places and dies away."""

import math

import numpy as np

from facecli.crops import Box

_LEARNING_S = 0.2
"""Time in which a new velocity is believed: shorter follows faster, and trembles more."""
_COASTING_S = 0.3
"""Time in which an unseen box comes to rest; nobody walks on for ever."""
_SHORTEST_S = 1e-3


class Motion:
    """One box in motion. Sizes are taken as seen last: they change slowly."""

    def __init__(self, xyxy: Box, time_s: float) -> None:
        """Begins at rest."""
        self.xyxy = np.asarray(xyxy, np.float64)
        self.time_s = time_s
        self._velocity = np.zeros(2)

    def observe(self, xyxy: Box, time_s: float) -> None:
        """The box was seen there. A time that does not grow moves the box and teaches nothing."""
        seen = np.asarray(xyxy, np.float64)
        passed_s = time_s - self.time_s
        if passed_s >= _SHORTEST_S:
            measured = (_centre(seen) - _centre(self.xyxy)) / passed_s
            self._velocity += (1 - math.exp(-passed_s / _LEARNING_S)) * (measured - self._velocity)
        self.xyxy, self.time_s = seen, time_s

    def at(self, time_s: float) -> np.ndarray:
        """(4,) float64 xyxy at a time after the last sight; it may reach out of the picture."""
        passed_s = max(time_s - self.time_s, 0.0)
        moved = self._velocity * _COASTING_S * (1 - math.exp(-passed_s / _COASTING_S))
        return self.xyxy + np.tile(moved, 2)


def _centre(xyxy: np.ndarray) -> np.ndarray:
    return (xyxy[:2] + xyxy[2:]) / 2
