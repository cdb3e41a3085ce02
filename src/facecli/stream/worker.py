"""The thread that analyses frames."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from facecli.faces import Face
from facecli.stream.capture_thread import Shot
from facecli.stream.channel import InOrder, Newest

Analyze = Callable[[np.ndarray, float], list[Face]]
"""(H, W, 3) uint8 RGB and its time in seconds -> the faces in it; called from one thread."""


class Analyzed(NamedTuple):
    """A frame and what was found in it.

    Attributes:
        shot: the frame.
        faces: those to tell of.
        covered: those to cover where nobody is to be recognised: with all that are taken for none.
        latency_s: seconds from the moment the frame was there to the moment its faces were known.
    """

    shot: Shot
    faces: tuple[Face, ...]
    covered: tuple[Face, ...]
    latency_s: float


class AnalysisThread(threading.Thread):
    """Takes shots, gives `Analyzed`, in order; an error of either side closes what it gives."""

    def __init__(
        self,
        analyze: Analyze,
        shots: InOrder | Newest,
        results: InOrder,
        show_rejected: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="analysis", daemon=True)
        self._analyze = analyze
        self._shots = shots
        self._results = results
        self._show_rejected = show_rejected
        self._now = now

    def run(self) -> None:
        error = None
        try:
            for shot in self._shots:
                if not self._results.put(self._analyzed(shot)):
                    return
        except BaseException as caught:  # noqa: BLE001 - raised again in the main thread
            error = caught
        finally:
            self._results.close(error)

    def _analyzed(self, shot: Shot) -> Analyzed:
        found = tuple(self._analyze(shot.frame.image_rgb, shot.frame.time_s))
        told = tuple(face for face in found if self._show_rejected or not face.rejected)
        return Analyzed(shot, told, found, self._now() - shot.taken_s)
