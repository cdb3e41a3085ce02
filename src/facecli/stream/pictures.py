"""Picture files in, faces out: one file after the other, failures are results too."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from facecli.errors import ImageError, InputError
from facecli.faces import FrameResult
from facecli.images import find_images, load_image
from facecli.stream.shield import Protect
from facecli.vision.analyze import Analyzer

log = logging.getLogger(__name__)


class Picture(NamedTuple):
    """A picture's result and its pixels, (H, W, 3) uint8 RGB; None when it could not be read."""

    path: Path
    result: FrameResult
    image_rgb: np.ndarray | None


def list_pictures(path: Path, output: Path | None = None) -> list[Path]:
    """The picture itself, or every picture of a folder and below, sorted.

    Args:
        path: file or folder.
        output: folder that annotated pictures are written to; what lies there is left out.

    Raises:
        InputError: a folder without pictures.
    """
    if not path.is_dir():
        return [path]
    found = find_images(path)
    if output is not None:
        written = output.resolve()
        found = [picture for picture in found if not picture.resolve().is_relative_to(written)]
    if not found:
        raise InputError(f"no pictures in {path}; name a picture or a folder that holds some")
    return found


def iter_pictures(
    pictures: Iterable[Path],
    analyzer: Analyzer,
    protect: Protect | None = None,
    show_rejected: bool = True,
) -> Iterator[Picture]:
    """Analyses each file. One that is no picture gives a result with `error`.

    Args:
        pictures: files.
        analyzer: finds the faces.
        protect: covers all that it finds in the pictures that are given on.
        show_rejected: tell of what was found and taken for no face.
    """
    for path in pictures:
        log.debug("reading %s", path)
        try:
            image_rgb = load_image(path)
        except ImageError as error:
            yield Picture(path, FrameResult(str(path), None, None, error=str(error)), None)
            continue
        height, width = image_rgb.shape[:2]
        found = analyzer.analyze(image_rgb)
        faces = tuple(face for face in found if show_rejected or not face.rejected)
        if protect is not None:
            image_rgb = protect(image_rgb, found)
        yield Picture(path, FrameResult(str(path), width, height, faces), image_rgb)


def annotated_path(picture: Path, root: Path, output: Path) -> Path:
    """Where the annotated picture goes, in a folder `output` that mirrors `root`.

    Formats that OpenCV cannot write become PNG, under the whole old name.
    """
    target = output / picture.relative_to(root)
    return target if is_writable_format(target) else target.with_name(f"{target.name}.png")


def is_writable_format(path: Path) -> bool:
    """Can OpenCV write the format that the suffix names?"""
    return (
        bool(path.suffix) and path.suffix.lower() != ".gif" and cv2.haveImageWriter(f"x{path.suffix.lower()}")
    )
