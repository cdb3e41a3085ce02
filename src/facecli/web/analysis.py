"""One picture of a request, in a worker: bytes and query become a row, or a drawn picture."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple

import cv2
from fastapi import Depends, Query, Request

from facecli.core.arrays import Array
from facecli.core.errors import EncodingError, FacecliError, ImageError, ImageTooLargeError
from facecli.core.faces import Face, FrameResult
from facecli.core.images import encode_image
from facecli.detect.registry import detector_names
from facecli.draw.annotate import annotate
from facecli.draw.anonymize import METHODS, anonymize, head_box
from facecli.draw.panel import draw_compared, draw_details
from facecli.pipeline.batch import find_faces_in
from facecli.web.decoder import DecoderLostError
from facecli.web.model_registry import ModelRegistry
from facecli.web.schemas import RETRY_AFTER_S, Problem
from facecli.web.service import Service

log: logging.Logger = logging.getLogger(__name__)
_QUALITY = 92

_MOST_MODELS = 8


class AnalysisQuery(NamedTuple):
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


class Look(NamedTuple):
    """How a picture is drawn.

    Attributes:
        suffix: of the file, ".png" or ".jpg".
        label_size: of the letters, relative to what suits the picture.
        plain: neither boxes nor labels.
    """

    suffix: str = ".jpg"
    label_size: float = 1.0
    plain: bool = False


def analyze_picture(
    service: Service, name: str, data: bytes, query: AnalysisQuery, max_pixels: int
) -> dict[str, Any]:
    """The row of one picture; with `anonymize` also where heads are.

    Raises Problem.
    """
    faces, size = _faces(service, name, data, query, max_pixels)
    shown = tuple(face for face in faces if query.show_rejected or not face.rejected)
    row = FrameResult(
        name, *size, shown, model=service.registry.entries[query.models[0]].config["name"]
    ).to_json()
    if query.anonymize is not None:
        for face, written in zip(shown, row["faces"], strict=True):
            written["head_xyxy"] = list(head_box(face.box_xyxy, size))
        row["heads_xyxy"] = [list(head_box(face.box_xyxy, size)) for face in faces]
    return row


def failed_row(name: str, reason: str) -> dict[str, Any]:
    """The row of a picture among others that could not be analysed."""
    return FrameResult(name, None, None, error=reason).to_json()


def annotate_picture(
    service: Service, name: str, data: bytes, query: AnalysisQuery, max_pixels: int, look: Look
) -> bytes:
    """The picture with its faces drawn in, encoded.

    Raises Problem.
    """
    faces, _ = _faces(service, name, data, query, max_pixels)
    with _as_problems(name):
        image_rgb = service.decoder.decode_image(data, name, max_pixels)
        if query.anonymize is not None:
            image_rgb = anonymize(image_rgb, faces, query.anonymize)
        shown = [face for face in faces if query.show_rejected or not face.rejected]
        draw = draw_details if query.details else draw_compared if len(query.models) > 1 else annotate
        drawn = image_rgb if look.plain else draw(image_rgb, shown, label_size=look.label_size)
        return _encoded(drawn, look.suffix)


def _faces(
    service: Service, name: str, data: bytes, query: AnalysisQuery, max_pixels: int
) -> tuple[list[Face], tuple[int, int]]:
    """All faces, refused ones too, and width and height of the picture."""
    try:
        analyzer = service.thread_analyzer(query.models, query.detector, query.details, all_found=True)
    except FacecliError as error:
        log.warning("%s", error)
        raise unusable(query) from error
    with _as_problems(name):
        found, size = find_faces_in(data, name, analyzer, max_pixels, service.decoder)
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
    except DecoderLostError as error:
        detail = "Pictures cannot be decoded here just now; try again in a moment."
        raise Problem(503, "No decoder", detail, {"Retry-After": str(RETRY_AFTER_S)}) from error
    except (cv2.error, MemoryError) as error:
        log.warning("a picture could not be analysed: %s", error)
        raise Problem(422, "Unreadable picture", f"{name} cannot be analysed; save it again.") from error


def unusable(query: AnalysisQuery) -> Problem:
    """The models or the detector cannot be used here; of why, the client learns nothing."""
    detail = (
        f"Model '{','.join(query.models)}' with detector '{query.detector}' cannot be used here; "
        "/api/v1/models says what can."
    )
    return Problem(404, "Unknown model or detector", detail)


def _encoded(image_rgb: Array, suffix: str) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    try:
        return bytes(encode_image(image_rgb, suffix, options, given_away=True))
    except EncodingError as error:
        raise ImageError(f"{error} (format=png)") from error


async def read_query(
    request: Request,
    model: Annotated[
        str | None,
        Query(
            max_length=400,
            description="Name of a model (see /api/v1/models), or several with commas: then every face has "
            "`models`. The server's default when left out.",
            examples=["facenet"],
        ),
    ] = None,
    detector: Annotated[
        str | None,
        Query(
            description=f"How faces are found: {', '.join(detector_names())} (none: the picture is one face)."
        ),
    ] = None,
    details: Annotated[bool, Query(description="The age distribution; panels in drawn pictures.")] = False,
    anonymize: Annotated[
        str | None,
        Query(
            description="Cover heads in drawn pictures; rows then say where they are (`heads_xyxy`).",
            pattern=f"^({'|'.join(METHODS)})$",
        ),
    ] = None,
    show_rejected: Annotated[bool, Query(description="Also boxes that the model takes for no face.")] = False,
) -> AnalysisQuery:
    """What the client wants. Raises Problem for a model or detector that is not here."""
    registry: ModelRegistry = request.app.state.registry
    names = (model or registry.default).split(",")
    models = tuple(dict.fromkeys(name.strip() for name in names))
    query = AnalysisQuery(models, detector or registry.default_detector, details, anonymize, show_rejected)
    if len(models) > _MOST_MODELS:
        raise Problem(422, "Wrong parameters", f"At most {_MOST_MODELS} models can be compared.")
    if not set(models) <= set(registry.entries) or query.detector not in registry.detectors:
        raise unusable(query._replace(models=("?",)) if len(model or "") > 100 else query)
    return query


QueryParameters = Annotated[AnalysisQuery, Depends(read_query)]
"""Type of a route's parameter."""
