"""Where results go: a window, a video file, JSON lines. Each is a context manager."""

import json
import sys
import time
from pathlib import Path
from typing import Protocol, TextIO

import cv2
import numpy as np

from facecli.errors import OutputError
from facecli.faces import FrameResult
from facecli.stream.pending import PendingFile
from facecli.vision.annotate import draw_note

_QUIT_KEYS = (ord("q"), ord("Q"), 27)
_FPS_MEMORY = 0.9


class Quit(Exception):
    """The user closed the window or pressed q or Esc: the stream ends, and that is no error."""


class Sink(Protocol):
    """Takes every result; `drawn_rgb` is the annotated frame, (H, W, 3) uint8, not to be changed.

    `wants_drawing` says whether the sink looks at it at all.
    """

    wants_drawing: bool

    def __enter__(self) -> "Sink": ...
    def __exit__(self, *error) -> None: ...
    def write(self, result: FrameResult, drawn_rgb: np.ndarray | None) -> None: ...


class JsonLinesSink:
    """One JSON object a line, flushed as it is made.

    A file takes the old one's place with its first line, so that it can be followed while it
    grows; without any line the old file stays. "-" is standard output.
    """

    wants_drawing = False

    def __init__(self, target: str, stdout: TextIO | None = None) -> None:
        self._target = target
        self._stdout = stdout or sys.stdout
        self._pending: PendingFile | None = None
        self._file: TextIO | None = None

    def __enter__(self) -> "JsonLinesSink":
        """Raises OutputError when the file cannot be written."""
        path = Path(self._target)
        if self._target == "-":
            self._file = self._stdout
        elif path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; name a file")
        elif path.exists() and not path.is_file():
            # A pipe or a device cannot be replaced, only written to.
            self._file = self._append()
        else:
            self._pending = PendingFile(path)
        return self

    def __exit__(self, *_) -> None:
        if self._pending is not None:
            self._pending.discard()
        if self._file is not None and self._file is not self._stdout:
            try:
                self._file.close()
            except OSError as error:
                raise self._failed(error) from error

    def write(self, result: FrameResult, drawn_rgb: np.ndarray | None = None) -> None:
        """Raises OutputError when the line cannot be written (BrokenPipeError on standard output)."""
        line = json.dumps(result.to_json(), ensure_ascii=False) + "\n"
        try:
            if self._pending is not None:
                self._begin(line)
            else:
                self._file.write(line)
                self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._failed(error) from error

    def _begin(self, line: str) -> None:
        self._pending.temporary.write_text(line, encoding="utf-8")
        self._pending.keep()
        self._pending = None
        self._file = self._append()

    def _append(self) -> TextIO:
        try:
            return open(self._target, "a", encoding="utf-8")
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputError:
        name = "standard output" if self._target == "-" else self._target
        return OutputError(f"cannot write {name}: {error.strerror or error}")


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
        draw_note(picture, f"{self._tick():.0f} fps  {len(result.faces)} faces")
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
                cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
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
        return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1

    def _tick(self) -> float:
        """Frames a second, smoothed."""
        now_s = time.monotonic()
        if self._last_s is not None:
            fps = 1 / max(now_s - self._last_s, 1e-6)
            self._fps = _FPS_MEMORY * self._fps + (1 - _FPS_MEMORY) * fps if self._fps else fps
        self._last_s = now_s
        return self._fps
