"""Annotated copies: one file, or a folder that mirrors the sources."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from facecli.faces import Face
from facecli.images import save_image
from facecli.pictures.record import Record

Draw = Callable[[np.ndarray, Sequence[Face]], np.ndarray]
"""(H, W, 3) uint8 RGB and the faces in it -> an annotated copy."""


class AnnotatedSink:
    """Writes each readable picture with its faces drawn in."""

    wants_image = True

    def __init__(self, place: Path, draw: Draw, is_folder: bool) -> None:
        """A file (for a single picture), or a folder in which each has its `target_name`."""
        self._place, self._draw, self._is_folder = place, draw, is_folder

    def __enter__(self) -> "AnnotatedSink":
        return self

    def __exit__(self, *_) -> None:
        pass

    def write(self, record: Record) -> None:
        """Raises OutputError when the file cannot be written."""
        if record.image_rgb is None:
            return
        target = self._place / record.target_name if self._is_folder else self._place
        save_image(target, self._draw(record.image_rgb, record.result.faces))
