"""Records flow into a page; nothing but the current one is kept in memory."""

import contextlib
import datetime
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np

from facecli import __version__
from facecli.errors import OutputError
from facecli.faces import FACE_HEADS, NAMED_HEADS, FrameResult
from facecli.models.checkpoint import Checkpoint
from facecli.paths import replacing, unopened_text
from facecli.report.cautions import GENERAL, measured
from facecli.report.page import data_block, page_end, page_head
from facecli.report.thumbnails import Budget, Size, face_thumbnail, picture_thumbnail

log = logging.getLogger(__name__)


class Analysed(Protocol):
    """A picture's result and its pixels, (H, W, 3) uint8 RGB or None."""

    @property
    def result(self) -> FrameResult: ...

    @property
    def image_rgb(self) -> np.ndarray | None: ...


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
        self._models = [_about_model(name, checkpoint, metrics) for name, checkpoint, metrics in models]
        self._budget = Budget()
        self._stack = contextlib.ExitStack()
        self._file: TextIO = unopened_text()
        self._broken = False

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
                "heads": {"shown": NAMED_HEADS, "all": FACE_HEADS},
                "models": self._models,
                "cautions": list(GENERAL),
            }
            self._file.write(data_block("about", about))
            self._stack = stack.pop_all()
        return self

    def write(self, record: Analysed) -> None:
        """Adds a picture. Raises OutputError when the disk is full."""
        try:
            self._file.write(data_block("row", page_row(record, self._budget)))
        except OSError as error:
            self._broken = True
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from error

    def __exit__(self, error_type: type | None, error: BaseException | None, trace) -> None:
        """Ends the page. Raises OutputError when it cannot be written."""
        if self._broken:
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


def page_row(record: Analysed, budget: Budget) -> dict[str, Any]:
    """What the page knows of a picture: its JSON row, `thumb`, and a `crop` for each face."""
    row, image_rgb = record.result.to_json(), record.image_rgb
    if image_rgb is None or (size := budget.next_size()) is None:
        return row
    row["thumb"] = budget.take(picture_thumbnail(image_rgb, size.picture))
    for face, known in zip(row["faces"], record.result.faces, strict=True):
        if (crop := _crop(image_rgb, known.box_xyxy, size)) is not None:
            face["crop"] = budget.take(crop)
    return row


def _crop(image_rgb: np.ndarray, box_xyxy: tuple[int, int, int, int], size: Size) -> str | None:
    try:
        return face_thumbnail(image_rgb, box_xyxy, size.face)
    except ValueError as error:
        log.debug("no crop of %s: %s", box_xyxy, error)
        return None


def _about_model(name: str, checkpoint: Checkpoint, metrics: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "heads": list(checkpoint.heads), "measured": measured(metrics)}
