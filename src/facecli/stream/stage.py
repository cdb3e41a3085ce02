"""What the main thread does with a frame of a live picture: rows, video, window."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from facecli.faces import Face
from facecli.stream.capture_thread import Shot
from facecli.stream.overlay import Overlay, Picture
from facecli.stream.pace import Cadence, Meter
from facecli.stream.results import Summary, count_faces, frame_result
from facecli.stream.sinks import Sink, is_row_sink
from facecli.stream.sources import FrameSource
from facecli.stream.stats import Stats
from facecli.stream.whole import Draw
from facecli.stream.worker import Analyzed

_LATENCY_MEMORY = 0.8


class View(Protocol):
    """The window: `stream.view.LiveView`. `show` raises `sinks.Quit` when the user has seen enough."""

    @property
    def paused(self) -> bool: ...

    def show(self, image_rgb: np.ndarray, faces: Sequence[Face], stats: Stats) -> None: ...


class Stage:
    """Rows of analysed frames, and every frame drawn.

    Attributes:
        summary: what was done so far.
    """

    def __init__(
        self,
        source: FrameSource,
        sinks: Sequence[Sink],
        view: View | None,
        overlay: Overlay,
        draw: Draw,
        now,
    ) -> None:
        self.summary = Summary()
        self._given = source.given
        self._rows = [sink for sink in sinks if is_row_sink(sink)]
        self._videos = [sink for sink in sinks if sink.wants_drawing]
        self._view = view
        self._overlay = overlay
        self._draw = draw
        self._cadence = Cadence(source.fps) if source.live else None
        self._drawn, self._analyzed, self._latency_s = Meter(now), Meter(now), 0.0
        self._shown: Picture | None = None

    @property
    def paused(self) -> bool:
        """Did the user ask the picture to stand still?"""
        return self._view is not None and self._view.paused

    def learn(self, analyzed: Analyzed) -> None:
        """Takes the faces of a frame. Raises OutputError when a row cannot be written."""
        shot, faces, _, latency_s = analyzed
        self._overlay.learn(analyzed)
        self._analyzed.mark()
        kept = _LATENCY_MEMORY * (self._latency_s or latency_s)
        self._latency_s = kept + (1 - _LATENCY_MEMORY) * latency_s
        frames, counted, number = self.summary
        self.summary = Summary(frames, counted + count_faces(faces), number + 1)
        result = frame_result(self._given, shot.frame, faces)
        for sink in self._rows:
            sink.write(result, None)

    def show(self, shot: Shot) -> None:
        """Draws a frame into video and window. Raises Quit, or OutputError."""
        self._shown = image_rgb, faces = self._overlay.picture(shot)
        self._drawn.mark()
        self.summary = self.summary._replace(frames=self.summary.frames + 1)
        copies = 1 if self._cadence is None else self._cadence.copies(shot.frame.time_s)
        if self._videos and copies:
            drawn_rgb = self._draw(image_rgb, faces)
            result = frame_result(self._given, shot.frame, faces)
            for sink in self._videos:
                for _ in range(copies):
                    sink.write(result, drawn_rgb)
        self.show_again()

    def show_again(self) -> None:
        """The frame that is seen, once more: the window stays awake. Raises Quit."""
        if self._view is not None and self._shown is not None:
            self._view.show(*self._shown, self._stats())

    def resume(self) -> None:
        """After a pause: what was missed is no gap in the video."""
        if self._cadence is not None:
            self._cadence.restart()

    def _stats(self) -> Stats:
        return Stats(self._drawn.rate(), 1000 * self._latency_s, self._analyzed.rate(), self.paused)
