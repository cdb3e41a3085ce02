"""Heads hidden by a key, while the picture runs."""

import functools
from collections.abc import Sequence

import numpy as np

from facecli.faces import Face
from facecli.stream.controls import Controls
from facecli.stream.shield import Shield
from facecli.vision.anonymize import anonymize


class Veil:
    """Hides faces as long as the controls say so, those that were lost from sight just now, too.

    Somebody who has just come is seen until the analysis knows of them: only what
    `engine.run_live` protects has been looked at before it is shown.
    """

    def __init__(self) -> None:
        self._shield = Shield(None)
        self._method: str | None = None

    def cover(
        self, image_rgb: np.ndarray, faces: Sequence[Face], time_s: float, controls: Controls
    ) -> np.ndarray:
        """The picture (H, W, 3) uint8 RGB, itself when there is nothing to hide."""
        # What the engine has done already need not be done again.
        method = None if controls.anonymize == controls.protected else controls.anonymize
        if method != self._method:
            hide = functools.partial(anonymize, method=method) if method else None
            self._shield, self._method = Shield(hide), method
        return self._shield.cover(image_rgb, faces, time_s)
