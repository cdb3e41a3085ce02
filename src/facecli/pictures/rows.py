"""Rows of pictures for programs."""

from facecli.pictures.record import Record
from facecli.stream.sinks import JsonLinesSink


class JsonSink:
    """A JSON object a line for each picture (docs/output.md)."""

    wants_image = False

    def __init__(self, target: str) -> None:
        """A path, or "-" for standard output."""
        self._lines = JsonLinesSink(target)

    def __enter__(self) -> "JsonSink":
        """Raises OutputError when the file cannot be written."""
        self._lines.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._lines.__exit__(*error)

    def write(self, record: Record) -> None:
        """Raises OutputError when the line cannot be written."""
        self._lines.write(record.result)
