"""Text that grows line by line, in a file that takes the old one's place, or on standard output."""

import contextlib
import os
import sys
from pathlib import Path
from typing import TextIO

from facecli.errors import OutputError
from facecli.paths import unopened_text
from facecli.stream.pending import PendingFile


class TextFile:
    """Flushed with every write, so that it can be followed while it grows.

    A text that fits only in part, on a full disk, is taken out again: a file holds whole lines.

    The file takes the old one's place with its first text; without any the old file stays.
    "-" is standard output. With `append` an old file stays, and grows.
    """

    def __init__(self, target: str, stdout: TextIO | None = None, append: bool = False) -> None:
        self._target, self._appends = target, append
        self._stdout = stdout or sys.stdout
        self._pending: PendingFile | None = None
        self._file: TextIO = unopened_text()
        self._whole_bytes: int | None = None

    def __enter__(self) -> "TextFile":
        """Raises OutputError when the file cannot be written."""
        path = Path(self._target)
        if self._target == "-":
            self._file = self._stdout
        elif path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; name a file")
        elif path.exists() and not path.is_file():
            # A pipe or a device cannot be replaced, only written to.
            self._file = self._append()
        elif self._appends and path.exists():
            self._file, self._whole_bytes = self._append(), path.stat().st_size
        else:
            self._pending = PendingFile(path)
        return self

    def __exit__(self, *_) -> None:
        if self._pending is not None:
            self._pending.discard()
        if self._file is not self._stdout:
            try:
                self._file.close()
            except OSError as error:
                raise self._failed(error) from error

    def write(self, text: str) -> None:
        """Raises OutputError when it cannot be written (BrokenPipeError on standard output)."""
        try:
            if self._pending is not None:
                self._begin(self._pending, text)
            else:
                self._file.write(text)
                self._file.flush()
            if self._whole_bytes is not None:
                self._whole_bytes += len(text.encode())
        except BrokenPipeError:
            raise
        except OSError as error:
            self._take_back()
            raise self._failed(error) from error

    def _begin(self, pending: PendingFile, text: str) -> None:
        pending.temporary.write_text(text, encoding="utf-8", newline="\n")
        pending.keep()
        self._pending = None
        self._file = self._append()
        self._whole_bytes = 0

    def _take_back(self) -> None:
        """Cuts off what was written of the last text."""
        if self._whole_bytes is None:
            return
        with contextlib.suppress(OSError):
            # It tries to write the rest once more.
            self._file.close()
        with contextlib.suppress(OSError):
            os.truncate(self._target, self._whole_bytes)

    def _append(self) -> TextIO:
        try:
            return open(self._target, "a", encoding="utf-8", newline="\n")
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputError:
        name = "standard output" if self._target == "-" else self._target
        return OutputError(f"cannot write {name}: {error.strerror or error}")


def worth_writing(error_type: type[BaseException] | None) -> bool:
    """Does a run that ends so leave a result, even without a frame?

    Its end and an interruption do; a camera that failed at once should not cost the old file.
    """
    return error_type is None or not issubclass(error_type, Exception)
