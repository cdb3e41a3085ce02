"""How the live picture is doing, for the corner of the window."""

from typing import NamedTuple


class Stats(NamedTuple):
    """Measured over the last moments.

    Attributes:
        fps: frames drawn a second.
        latency_ms: from the moment a frame was taken to the moment its faces were known.
        analyzed_fps: frames analysed a second.
        paused: does the picture stand still because the user asked for it?
    """

    fps: float
    latency_ms: float
    analyzed_fps: float
    paused: bool
