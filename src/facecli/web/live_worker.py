"""The part of a live session that the workers do: decode the newest frame and find its people."""

import logging
import time
from typing import Any

import cv2

from facecli.faces import Face
from facecli.vision.analyze import Analyzer
from facecli.vision.live import build_live_analyzer
from facecli.web.live_protocol import UNSUPPORTED, LiveLimits, LiveProblem, decode_frame, face_rows
from facecli.web.live_slot import NewestFrame, Taken

log = logging.getLogger(__name__)


class LiveWorker:
    """Who is in one viewer's frames. One thread at a time may use it."""

    def __init__(self, analyzer: Analyzer, slot: NewestFrame, limits: LiveLimits, with_heads: bool) -> None:
        """Begins with nobody known.

        Args:
            analyzer: with a detector of its own.
            slot: where the viewer's frames lie.
            limits: of a frame.
            with_heads: say also where the whole heads are.
        """
        self._live = build_live_analyzer(analyzer)
        self._slot, self._limits, self._with_heads = slot, limits, with_heads
        self._last_s = float("-inf")

    def work(self) -> dict[str, Any] | None:
        """The answer to the newest frame; None when there is none. Raises LiveProblem."""
        taken = self._slot.take()
        if taken is None:
            return None
        if taken.anew:
            self._live.reset()
        start_s = time.perf_counter()
        faces, size = self._look(taken)
        return {
            "type": "faces",
            "frame": taken.frame.number,
            "sent_ms": taken.frame.sent_ms,
            "width": size[0],
            "height": size[1],
            "analysis_ms": round((time.perf_counter() - start_s) * 1000, 1),
            "dropped": taken.dropped,
            "faces": face_rows(faces, size, self._with_heads),
        }

    def _look(self, taken: Taken) -> tuple[list[Face], tuple[int, int]]:
        """Faces, and width and height of the frame."""
        try:
            image_rgb = decode_frame(taken.frame.data, self._limits)
            # Two frames may come within one tick of the clock; a track needs time to pass.
            self._last_s = max(taken.time_s, self._last_s + 1e-3)
            faces = self._live.analyze(image_rgb, self._last_s)
        except (cv2.error, MemoryError) as error:
            log.warning("a live frame could not be analysed: %s", error)
            detail = "The frame could not be analysed."
            raise LiveProblem(422, "Damaged picture", detail, UNSUPPORTED) from error
        return faces, (image_rgb.shape[1], image_rgb.shape[0])
