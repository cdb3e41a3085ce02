"""Pictures become records: failures are results too, and the rest goes on."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from facecli.errors import ImageError
from facecli.faces import FrameResult
from facecli.images import load_image
from facecli.pictures.listing import annotated_path
from facecli.pictures.record import Record
from facecli.stream.shield import Protect
from facecli.vision.analyze import Analyzer

log = logging.getLogger(__name__)


def iter_records(
    pictures: Iterable[Path],
    root: Path,
    analyzer: Analyzer,
    protect: Protect | None = None,
    show_rejected: bool = True,
) -> Iterator[Record]:
    """Analyses each file. One that is no picture gives a result with `error`.

    Args:
        pictures: files.
        root: the folder that they were found in.
        analyzer: finds the faces.
        protect: covers all that it finds in the pictures that are given on.
        show_rejected: tell of what was found and taken for no face.
    """
    for path in pictures:
        log.debug("reading %s", path)
        name = annotated_path(path, root, Path()).as_posix()
        try:
            image_rgb = load_image(path)
        except ImageError as error:
            yield Record(str(path), FrameResult(str(path), None, None, error=str(error)), None, name)
            continue
        height, width = image_rgb.shape[:2]
        found = analyzer.analyze(image_rgb)
        faces = tuple(face for face in found if show_rejected or not face.rejected)
        if protect is not None:
            image_rgb = protect(image_rgb, found)
        yield Record(str(path), FrameResult(str(path), width, height, faces), image_rgb, name)
