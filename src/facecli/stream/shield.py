"""Faces are covered before anybody sees the picture, those that were just lost from sight too."""

from collections.abc import Callable, Sequence

import numpy as np

from facecli.faces import Face

Protect = Callable[[np.ndarray, Sequence[Face]], np.ndarray]
"""(H, W, 3) uint8 RGB and the faces in it -> a copy without recognisable faces."""
REMEMBERED_S = 0.5
"""A detector misses a face now and then; for that long its last place stays covered."""


class Shield:
    """Covers the faces of analysed frames, in the order of their times."""

    def __init__(self, protect: Protect | None) -> None:
        """Without `protect` pictures pass as they are."""
        self._protect = protect
        self._seen: dict[object, tuple[float, Face]] = {}

    def cover(self, image_rgb: np.ndarray, faces: Sequence[Face], time_s: float) -> np.ndarray:
        """The picture, (H, W, 3) uint8 RGB, with nobody to recognise in it."""
        if self._protect is None:
            return image_rgb
        for face in faces:
            # Faces without a track have only their place for a name.
            self._seen[face.track or face.box_xyxy] = time_s, face
        self._seen = {key: seen for key, seen in self._seen.items() if time_s - seen[0] <= REMEMBERED_S}
        return self._protect(image_rgb, [face for _, face in self._seen.values()])
