"""Names of the files that are made of pictures: inside the given folder, and never one name twice."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

_LONGEST_BYTES = 180
"""Of one part of a path; most file systems allow 255, and more is appended to it."""
_WRITTEN = frozenset((".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"))
_NOT_EVERYWHERE = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')


class TargetNames:
    """Gives out relative paths, each once.

    Two names that differ by upper case or by composition only are one name on many systems.
    """

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def claim(self, parts: Iterable[str]) -> str:
        """A path like `parts` that nobody has yet, with a suffix that can be written: "sub/photo-2.jpg".

        Args:
            parts: names of folders and of the picture, in any characters and of any length.
        """
        *folders, name = (_fitting(part) for part in parts)
        place = PurePosixPath()
        for folder in folders:
            # Where another picture's file is, there cannot be a folder.
            place = _free(place / folder, self._files)
            self._folders.add(_key(place))
        path = place / name
        if path.suffix.lower() not in _WRITTEN:
            path = path.with_name(f"{path.name}.png")
        path = _free(path, self._files, self._folders)
        self._files.add(_key(path))
        return path.as_posix()


def harmless(part: str) -> str:
    """A name that came from elsewhere, without characters that some system or terminal minds."""
    return _NOT_EVERYWHERE.sub("_", part).lstrip(".") or "_"


def _free(path: PurePosixPath, *taken: set[str]) -> PurePosixPath:
    """The path, or the first of "name-2.jpg", "name-3.jpg", ... that is in none of the sets."""
    free, number = path, 1
    while any(_key(free) in names for names in taken):
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _key(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path.as_posix()).casefold())


def _fitting(part: str) -> str:
    """One part of a path: no separator, neither "." nor "..", UTF-8, and not too long."""
    part = part.encode("utf-8", "replace").decode("utf-8").replace("/", "_").replace("\0", "_")
    if part in ("", ".", ".."):
        return "_"
    if len(part.encode()) <= _LONGEST_BYTES:
        return part
    path = PurePosixPath(part)
    suffix = path.suffix if len(path.suffix.encode()) < 30 else ""
    digest = hashlib.sha256(part.encode()).hexdigest()[:8]
    kept = part.encode()[: _LONGEST_BYTES - 40].decode("utf-8", "ignore")
    return f"{kept}-{digest}{suffix}"
