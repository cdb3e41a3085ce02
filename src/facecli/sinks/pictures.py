"""Annotated copies and cut-out faces, in a file or a folder that mirrors the sources."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from facecli.core.arrays import Array
from facecli.core.console import redacted
from facecli.core.errors import EncodingError
from facecli.core.faces import Face
from facecli.core.images import check_encodable, save_image
from facecli.sinks.base import Record, count

Draw = Callable[[Array, Sequence[Face]], Array]
"""(H, W, 3) uint8 RGB and the faces in it -> an annotated copy."""

_AROUND = 0.25
"""What is kept around a box on each side, a fraction of its longer side."""


class AnnotatedSink:
    """Writes each readable picture with its faces drawn in."""

    wants_image = True

    def __init__(self, place: str | Path, draw: Draw, is_folder: bool) -> None:
        """A file (for a single picture), or a folder in which each has its `target_name`.

        `place` is a path, or a text: the address of an object, or of a prefix.
        """
        self._place, self._draw, self._is_folder = place, draw, is_folder
        self._written = 0

    def __enter__(self) -> "AnnotatedSink":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def made(self) -> str | None:
        """What was written, in words; None for nothing."""
        if not self._written:
            return None
        place = redacted(str(self._place))
        return _folder(place, self._written, "picture") if self._is_folder else place

    def refusal(self, target_name: str, pixels: int) -> EncodingError | None:
        """Why a picture of this size would not be written, before it is decoded to be drawn on."""
        target = self._target(target_name)
        try:
            check_encodable(pixels, PurePosixPath(target).suffix)
        except EncodingError as error:
            return EncodingError(f"cannot write {target}: {error}", error.hint)
        return None

    def _target(self, target_name: str) -> str | Path:
        if not self._is_folder:
            return self._place
        if isinstance(self._place, str):
            return f"{self._place.rstrip('/')}/{target_name}"
        return self._place / target_name

    def write(self, record: Record) -> None:
        """Raises OutputError when the file cannot be written."""
        if record.image_rgb is None:
            return
        target = self._target(record.target_name)
        drawn = self._draw(record.image_rgb, record.result.faces)
        if isinstance(target, str):
            _put_image(target, drawn)
        else:
            save_image(target, drawn, given_away=True)
        self._written += 1


def _put_image(address: str, image_rgb: Array) -> None:
    """Raises OutputError when the object cannot be written, EncodingError as `save_image`."""
    from facecli.sources.cloud import Spool

    spool = Spool(address)
    try:
        save_image(spool.path, image_rgb, given_away=True)
    except BaseException:
        spool.discard()
        raise
    spool.keep()


class CropsSink:
    """Writes "photo-face1.jpg", "photo-face2.jpg", ... for the faces of photo.jpg, from left to right."""

    wants_image = True

    def __init__(self, folder: Path) -> None:
        """`folder` is made when the first face is written."""
        self._folder = folder
        self._written = 0

    def __enter__(self) -> "CropsSink":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def made(self) -> str | None:
        """As of AnnotatedSink."""
        return _folder(self._folder, self._written, "face") if self._written else None

    def write(self, record: Record) -> None:
        """Raises OutputError when a file cannot be written."""
        if record.image_rgb is None:
            return
        for number, face in enumerate(record.result.faces, start=1):
            save_image(
                self._folder / crop_name(record.target_name, number),
                crop_around(record.image_rgb, face.box_xyxy),
            )
            self._written += 1


def _folder(place: str | Path, number: int, noun: str) -> str:
    return f"{os.path.join(place, '')} ({count(number, noun)})"


def crop_name(target_name: str, number: int) -> str:
    """Name of a face's file, another one for every picture and face."""
    path = PurePosixPath(target_name)
    return path.with_name(f"{path.stem}-face{number}{path.suffix}").as_posix()


def crop_around(image_rgb: Array, box_xyxy: tuple[int, int, int, int]) -> Array:
    """The box and a quarter around it, in the picture's own pixels: (h, w, 3) uint8 RGB."""
    x_min, y_min, x_max, y_max = box_xyxy
    more = round(_AROUND * max(x_max - x_min, y_max - y_min))
    return image_rgb[max(y_min - more, 0) : y_max + more, max(x_min - more, 0) : x_max + more]
