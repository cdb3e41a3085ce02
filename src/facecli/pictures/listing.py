"""Which pictures a path means, and what files made of them are called."""

from pathlib import Path

import cv2

from facecli.errors import InputError
from facecli.images import find_images


def list_pictures(path: Path, output: Path | None = None) -> list[Path]:
    """The picture itself, or every picture of a folder and below, sorted.

    Args:
        path: file or folder.
        output: folder that annotated pictures are written to; what lies there is left out.

    Raises:
        InputError: a folder without pictures.
    """
    if not path.is_dir():
        return [path]
    found = find_images(path)
    if output is not None:
        written = output.resolve()
        found = [picture for picture in found if not picture.resolve().is_relative_to(written)]
    if not found:
        raise InputError(f"no pictures in {path}; name a picture or a folder that holds some")
    return found


def annotated_path(picture: Path, root: Path, output: Path) -> Path:
    """Where the annotated picture goes, in a folder `output` that mirrors `root`.

    Formats that OpenCV cannot write become PNG, under the whole old name.
    """
    target = output / picture.relative_to(root)
    return target if is_writable_format(target) else target.with_name(f"{target.name}.png")


def is_writable_format(path: Path) -> bool:
    """Can OpenCV write the format that the suffix names?"""
    return (
        bool(path.suffix) and path.suffix.lower() != ".gif" and cv2.haveImageWriter(f"x{path.suffix.lower()}")
    )
