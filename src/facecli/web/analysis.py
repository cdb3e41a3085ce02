"""One picture of a request, in a worker: bytes become a row, or a drawn picture."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import cv2
import numpy as np

from facecli.errors import FacecliError, ImageError, ImageTooLargeError
from facecli.faces import Face, FrameResult
from facecli.images import decode_image
from facecli.pictures.look import find_in
from facecli.vision.annotate import annotate
from facecli.vision.anonymize import anonymize, head_box
from facecli.vision.panel_sheet import draw_details
from facecli.web.problems import Problem
from facecli.web.service import Service

log = logging.getLogger(__name__)
_QUALITY = 92


class Wish(NamedTuple):
    """What a client wants of its pictures.

    Attributes:
        models: names, one or more.
        detector: name.
        details: the distribution over the years, or panels in drawn pictures.
        anonymize: how heads are covered, or None.
        show_rejected: also what the model takes for no face.
    """

    models: tuple[str, ...]
    detector: str
    details: bool = False
    anonymize: str | None = None
    show_rejected: bool = False


def analyze_picture(service: Service, name: str, data: bytes, wish: Wish, max_pixels: int) -> dict[str, Any]:
    """The row of one picture; with `anonymize` also where heads are.

    Raises Problem.
    """
    faces, size = _faces(service, name, data, wish, max_pixels)
    shown = tuple(face for face in faces if wish.show_rejected or not face.rejected)
    row = FrameResult(name, *size, shown).to_json()
    if wish.anonymize is not None:
        for face, written in zip(shown, row["faces"], strict=True):
            written["head_xyxy"] = list(head_box(face.box_xyxy, size))
        row["heads_xyxy"] = [list(head_box(face.box_xyxy, size)) for face in faces]
    return row


def failed_row(name: str, reason: str) -> dict[str, Any]:
    """The row of a picture among others that could not be analysed."""
    return FrameResult(name, None, None, error=reason).to_json()


def annotate_picture(
    service: Service, name: str, data: bytes, wish: Wish, max_pixels: int, suffix: str
) -> bytes:
    """The picture with its faces drawn in, encoded as `suffix` (".png" or ".jpg") says.

    Raises Problem.
    """
    faces, _ = _faces(service, name, data, wish, max_pixels)
    with _as_problems(name):
        image_rgb = decode_image(data, name, max_pixels)
        if wish.anonymize is not None:
            image_rgb = anonymize(image_rgb, faces, wish.anonymize)
        shown = [face for face in faces if wish.show_rejected or not face.rejected]
        draw = draw_details if wish.details or len(wish.models) > 1 else annotate
        return _encoded(draw(image_rgb, shown), suffix)


def _faces(
    service: Service, name: str, data: bytes, wish: Wish, max_pixels: int
) -> tuple[list[Face], tuple[int, int]]:
    """All faces, refused ones too, and width and height of the picture."""
    try:
        analyzer = service.thread_analyzer(wish.models, wish.detector, wish.details, all_found=True)
    except FacecliError as error:
        log.warning("%s", error)
        raise unusable(wish) from error
    with _as_problems(name):
        found, size = find_in(data, name, analyzer, max_pixels)
        return analyzer.read([found])[0], size


@contextmanager
def _as_problems(name: str) -> Iterator[None]:
    """What can be wrong with a picture, as a Problem."""
    try:
        yield
    except ImageTooLargeError as error:
        raise Problem(413, "Picture too large", f"{error}.") from error
    except ImageError as error:
        raise Problem(422, "Unreadable picture", f"{' '.join(str(error).split())}.") from error
    except (cv2.error, MemoryError) as error:
        log.warning("a picture could not be analysed: %s", error)
        raise Problem(422, "Unreadable picture", f"{name} cannot be analysed; save it again.") from error


def unusable(wish: Wish) -> Problem:
    """The models or the detector cannot be used here; of why, the client learns nothing."""
    detail = (
        f"Model '{','.join(wish.models)}' with detector '{wish.detector}' cannot be used here; "
        "/api/v1/models says what can."
    )
    return Problem(404, "Unknown model or detector", detail)


def _encoded(image_rgb: np.ndarray, suffix: str) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    _, data = cv2.imencode(suffix, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), options)
    return data.tobytes()
