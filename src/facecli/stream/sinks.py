"""Where results go: the interface of all sinks, and JSON lines. Each is a context manager."""

import json
import sys
from pathlib import Path
from typing import Protocol, TextIO

import numpy as np

from facecli.errors import OutputError
from facecli.faces import FrameResult
from facecli.stream.pending import PendingFile


def count(number: int, noun: str) -> str:
    """ "1 face", "2 faces"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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
