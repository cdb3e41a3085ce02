"""One page of HTML that shows all pictures of a run, by itself and offline.

Its Content-Security-Policy allows the one script and the one style that are written into it, by
their digests, and pictures as data: addresses. Rows are JSON in elements that no browser runs.
"""

import base64
import contextlib
import datetime
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TextIO

import cv2
import numpy as np

from facecli import __version__
from facecli.core.arrays import Array
from facecli.core.attributes import FACE_HEADS, NAMED_HEADS
from facecli.core.crops import crop_face
from facecli.core.errors import OutputError
from facecli.core.faces import FrameResult, with_further
from facecli.core.files import worth_writing
from facecli.core.paths import replacing, unopened_text
from facecli.models.checkpoint import Checkpoint

GENERAL_CAUTIONS = (
    "These are apparent attributes: what a network takes a picture for. They are neither identity nor "
    "ancestry nor what somebody feels, and none of them can be read off a face with certainty.",
    "Not for decisions about a person (access, age checks, hiring, policing, credit, medicine), for "
    "identifying or tracking people, for surveillance, or for anything that a person did not offer.",
    "Pictures unlike those it learnt from (webcams, strong light, make-up, masks, profiles, very small "
    "faces) are read worse. Ages above 80 are pulled down, those of small children up. Boys are taken for "
    "girls more often than men for women. Race 'other' is hardly ever recognised.",
    "The 90 % interval of an age holds about 90 of 100 true ages of faces like those it was measured on. "
    "Shares of a crowd are counted from labels that are sometimes wrong.",
    "The models facenet and normal, and the data that they learnt from, are for non-commercial research; "
    "'facecli models show' says what a model may be used for.",
)
"""For every model that has learnt from such data, in the order of their weight."""

_QUALITY = 72
_MARGIN = 0.2
"""Of a face's crop."""

log: logging.Logger = logging.getLogger(__name__)


def measured_cautions(metrics: Mapping[str, Any], further: Iterable[str] = ()) -> str:
    """A sentence about a model's errors, from its `metrics.json`; says so when there is none.

    `further`: heads of the model that facecli does not know by itself.
    """
    parts = []
    age = metrics.get("age")
    if isinstance(age, Mapping) and isinstance(age.get("mae"), float):
        parts.append(f"ages were {age['mae']:.1f} years off on average")
    for head in with_further(NAMED_HEADS, further):
        part = metrics.get(head)
        if isinstance(part, Mapping) and isinstance(part.get("accuracy"), float):
            parts.append(f"{head} was right for {100 * part['accuracy']:.0f} %")
    if not parts:
        return "Nobody has measured how often it is right."
    return f"Of {metrics.get('count', 'some')} test faces: {', '.join(parts)}."


def page_head() -> str:
    """All that comes before the first `data_block`."""
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return Template(_asset("page.html")).substitute(policy=policy, style=style)


def data_block(kind: str, value: Any) -> str:
    """A value as an element that the page's script finds by its class.

    ASCII, and nothing in it can end the element: names may be anything.
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    text = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return f'<script type="application/json" class="{kind}">{text}</script>\n'


def page_end() -> str:
    """All that comes after the last `data_block`."""
    return f"<script>{_asset('page.js')}</script>\n</body>\n</html>\n"


@cache
def _asset(name: str) -> str:
    return files("facecli.sinks").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """As Content Security Policy Level 3, section 2.3.1, writes it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"


class ThumbnailSize(NamedTuple):
    """Longer side of a picture's thumbnail and side of a face's crop, in pixels."""

    picture: int
    face: int


_SIZES = ((24 << 20, ThumbnailSize(240, 72)), (48 << 20, ThumbnailSize(120, 48)))
"""Until so many bytes are taken, thumbnails are so large; then there are none."""


class ThumbnailBudget:
    """Hands out sizes that shrink as a page fills, so that it stays bounded.

    Attributes:
        bytes: taken so far, as they stand on the page.
        smaller_from, none_from: number of the first picture (from 0) with smaller ones, or without
            any; None as long as there was none.
    """

    def __init__(self) -> None:
        """Nothing is taken."""
        self.bytes: int = 0
        self.smaller_from: int | None = None
        self.none_from: int | None = None
        self._asked = 0

    def next_size(self) -> ThumbnailSize | None:
        """For the next picture."""
        number, self._asked = self._asked, self._asked + 1
        for limit, size in _SIZES:
            if self.bytes < limit:
                if size is not _SIZES[0][1] and self.smaller_from is None:
                    self.smaller_from = number
                return size
        if self.none_from is None:
            self.none_from = number
        return None

    def take(self, address: str) -> str:
        """Counts a thumbnail, and returns it."""
        self.bytes += len(address)
        return address


def picture_thumbnail(image_rgb: Array, side: int) -> str:
    """A (H, W, 3) uint8 RGB picture as a data: address of a JPEG whose longer side is `side` at most."""
    size = thumbnail_size(image_rgb.shape[1], image_rgb.shape[0], side)
    if size != image_rgb.shape[1::-1]:
        image_rgb = cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA)
    return _address(image_rgb)


def thumbnail_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height in pixels of a picture's thumbnail whose longer side is `side` at most."""
    share = min(1.0, side / max(height, width))
    return max(round(width * share), 1), max(round(height * share), 1)


def face_thumbnail(image_rgb: Array, box_xyxy: tuple[int, int, int, int], side: int) -> str:
    """The face in the box, likewise, a square of `side` pixels."""
    return _address(crop_face(image_rgb, box_xyxy, _MARGIN, (side, side)))


def _address(image_rgb: Array) -> str:
    bgr = cv2.cvtColor(np.ascontiguousarray(image_rgb), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode('ascii')}"


class Analysed(Protocol):
    """A picture's result and its pixels, (H, W, 3) uint8 RGB or None."""

    @property
    def result(self) -> FrameResult: ...

    @property
    def image_rgb(self) -> Array | None: ...


class ReportSink:
    """Writes one self-contained page of HTML, whole or not at all.

    A run that is interrupted leaves a page of what was analysed, which says so.
    """

    wants_image = True

    def __init__(self, path: Path, models: Sequence[tuple[str, Checkpoint, dict[str, Any]]]) -> None:
        """Opens nothing yet.

        Args:
            path: the page.
            models: name, checkpoint and content of `metrics.json` ({} for none) of each model.
        """
        self._path = Path(path)
        self._further = dict.fromkeys(head for _, checkpoint, _ in models for head in checkpoint.further)
        self._models = [_about_model(name, checkpoint, metrics) for name, checkpoint, metrics in models]
        self._budget = ThumbnailBudget()
        self._stack = contextlib.ExitStack()
        self._file: TextIO = unopened_text()
        self._broken, self._begun = False, False

    def __enter__(self) -> "ReportSink":
        """Raises OutputError when the page cannot be written."""
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(replacing(self._path))
            self._file = stack.enter_context(open(temporary, "w", encoding="utf-8"))
            self._file.write(page_head())
            created = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
            about = {
                "version": __version__,
                "created": created,
                "heads": {
                    "shown": with_further(NAMED_HEADS, self._further),
                    "all": with_further(FACE_HEADS, self._further),
                    "further": list(self._further),
                },
                "models": self._models,
                "cautions": list(GENERAL_CAUTIONS),
            }
            self._file.write(data_block("about", about))
            self._stack = stack.pop_all()
        return self

    def write(self, record: Analysed) -> None:
        """Adds a picture. Raises OutputError when the disk is full."""
        try:
            self._file.write(data_block("row", page_row(record, self._budget)))
            self._begun = True
        except OSError as error:
            self._broken = True
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from error

    def __exit__(
        self, error_type: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the page. Raises OutputError when it cannot be written."""
        if self._broken or not (self._begun or worth_writing(error_type)):
            # Told of the error, the stack leaves the older page as it is.
            self._stack.__exit__(error_type, error, trace)
            return
        with self._stack:
            end = {
                "complete": error_type is None,
                "smaller_from": self._budget.smaller_from,
                "none_from": self._budget.none_from,
            }
            self._file.write(data_block("end", end))
            self._file.write(page_end())


def page_row(record: Analysed, budget: ThumbnailBudget) -> dict[str, Any]:
    """What the page knows of a picture: its JSON row, `thumb` with its size, and a `crop` for each face."""
    row, image_rgb = record.result.to_json(), record.image_rgb
    if image_rgb is None or (size := budget.next_size()) is None:
        return row
    row["thumb"] = budget.take(picture_thumbnail(image_rgb, size.picture))
    row["thumb_size"] = thumbnail_size(image_rgb.shape[1], image_rgb.shape[0], size.picture)
    for face, known in zip(row["faces"], record.result.faces, strict=True):
        if (crop := _crop(image_rgb, known.box_xyxy, size)) is not None:
            face["crop"] = budget.take(crop)
    return row


def _crop(image_rgb: Array, box_xyxy: tuple[int, int, int, int], size: ThumbnailSize) -> str | None:
    try:
        return face_thumbnail(image_rgb, box_xyxy, size.face)
    except ValueError as error:
        log.debug("no crop of %s: %s", box_xyxy, error)
        return None


def _about_model(name: str, checkpoint: Checkpoint, metrics: dict[str, Any]) -> dict[str, Any]:
    measured = measured_cautions(metrics, checkpoint.further)
    return {"name": name, "heads": list(checkpoint.heads), "measured": measured}
