"""A file in the making that takes its place once it is worth having."""

from pathlib import Path

from facecli.paths import replacing


class _Discarded(Exception):
    """Ends `paths.replacing` without a result."""


class PendingFile:
    """`paths.replacing` for writers that are not one block: begun, then kept or discarded."""

    def __init__(self, path: Path) -> None:
        """Makes the temporary file. Raises OutputError when the folder cannot be written."""
        self._replacing = replacing(path)
        self.temporary = self._replacing.__enter__()

    def keep(self) -> None:
        """Puts the temporary file in place of the old one. Raises OutputError."""
        self._replacing.__exit__(None, None, None)

    def discard(self) -> None:
        """Removes the temporary file; the old file stays."""
        self._replacing.__exit__(_Discarded, _Discarded(), None)
