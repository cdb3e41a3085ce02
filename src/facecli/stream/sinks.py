"""Where results go: the interface of all sinks, and JSON lines. Each is a context manager."""

import json
from typing import Protocol, TextIO, TypeGuard

import numpy as np

from facecli.faces import FrameResult
from facecli.stream.text_file import TextFile


def count(number: int, noun: str) -> str:
    """ "1 face", "2 faces"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Quit(Exception):
    """The user closed the window or pressed q or Esc: the stream ends, and that is no error."""


class Sink(Protocol):
    """Takes every result; `drawn_rgb` is the annotated frame, (H, W, 3) uint8, not to be changed.

    `wants_drawing` says whether the sink looks at it at all; a `RowSink` does not.
    """

    wants_drawing: bool

    def write(self, result: FrameResult, drawn_rgb: np.ndarray) -> None: ...


class RowSink(Protocol):
    """A sink that does without drawings."""

    wants_drawing: bool

    def write(self, result: FrameResult, drawn_rgb: np.ndarray | None) -> None: ...


def is_row_sink(sink: Sink) -> TypeGuard[RowSink]:
    """Need nothing be drawn for it?"""
    return not sink.wants_drawing


class JsonLinesSink:
    """One JSON object a line, flushed as it is made (see `TextFile`)."""

    wants_drawing = False

    def __init__(self, target: str, stdout: TextIO | None = None) -> None:
        self._file = TextFile(target, stdout)

    def __enter__(self) -> "JsonLinesSink":
        """Raises OutputError when the file cannot be written."""
        self._file.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._file.__exit__(*error)

    def write(self, result: FrameResult, drawn_rgb: np.ndarray | None = None) -> None:
        """Raises OutputError when the line cannot be written (BrokenPipeError on standard output)."""
        self._file.write(json.dumps(result.to_json(), ensure_ascii=False) + "\n")
