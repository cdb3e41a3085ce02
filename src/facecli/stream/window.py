"""Annotated pictures and frames in a window."""

import time

import cv2
import numpy as np

from facecli.errors import OutputError
from facecli.faces import FrameResult
from facecli.stream.sinks import Quit, count
from facecli.vision.annotate import draw_note

_QUIT_KEYS = (ord("q"), ord("Q"), 27)
_FPS_MEMORY = 0.9
_WINDOW = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL


class WindowSink:
    """Shows annotated frames with the frame rate; q, Esc and the close button raise `Quit`."""

    wants_drawing = True

    def __init__(self, title: str) -> None:
        self._title = title
        self._shown = False
        self._last_s: float | None = None
        self._fps = 0.0

    def __enter__(self) -> "WindowSink":
        return self

    def __exit__(self, *_) -> None:
        if self._shown:
            cv2.destroyAllWindows()

    def write(self, result: FrameResult, drawn_rgb: np.ndarray) -> None:
        """Shows one frame. Raises Quit, or OutputError when this OpenCV has no windows."""
        picture = drawn_rgb.copy()
        draw_note(picture, f"{self._tick():.0f} fps  {count(len(result.faces), 'face')}")
        self._show(picture)
        if cv2.waitKey(1) & 0xFF in _QUIT_KEYS or self._closed():
            raise Quit

    def show_until_closed(self, drawn_rgb: np.ndarray) -> None:
        """Shows one picture until q, Esc, Return, the space bar or the close button."""
        self._show(drawn_rgb)
        while not self._closed():
            if cv2.waitKey(50) & 0xFF in (*_QUIT_KEYS, 13, 32):
                return

    def _show(self, picture_rgb: np.ndarray) -> None:
        try:
            if not self._shown:
                cv2.namedWindow(self._title, _WINDOW)
                height, width = picture_rgb.shape[:2]
                shrink = min(1.0, 1280 / width, 800 / height)
                cv2.resizeWindow(self._title, max(1, round(width * shrink)), max(1, round(height * shrink)))
                self._shown = True
            cv2.imshow(self._title, cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))
        except cv2.error as error:
            raise OutputError(
                "cannot open a window (this OpenCV has none); use --no-show with --output or --json"
            ) from error

    def _closed(self) -> bool:
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:
            # Qt raises once the last window is gone.
            return True

    def _tick(self) -> float:
        """Frames a second, smoothed."""
        now_s = time.monotonic()
        if self._last_s is not None:
            fps = 1 / max(now_s - self._last_s, 1e-6)
            self._fps = _FPS_MEMORY * self._fps + (1 - _FPS_MEMORY) * fps if self._fps else fps
        self._last_s = now_s
        return self._fps
