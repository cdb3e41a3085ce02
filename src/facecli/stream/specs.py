"""What the text behind `--video` names: a camera, an address, a clip or a sequence of pictures."""

import re
from pathlib import Path
from typing import NamedTuple

from facecli.errors import InputError
from facecli.redaction import redacted
from facecli.stream.sequence import is_pattern, sequence_pictures

_DEVICE = re.compile(r"/dev/video(\d+)")


class Wishes(NamedTuple):
    """What a camera is asked for, in pixels and frames a second; None leaves it as it is.

    `fps` is the playing rate of a sequence of pictures, too.
    """

    width: int | None = None
    height: int | None = None
    fps: float | None = None


def is_camera(spec: str) -> bool:
    """Is it the number or the device of a camera?"""
    return (spec.isascii() and spec.isdigit()) or spec.startswith("/dev/")


def is_address(spec: str) -> bool:
    """Is it the address of a stream?"""
    return "://" in spec


def is_sequence(spec: str) -> bool:
    """Is it a folder, or a pattern such as frames/%04d.png?"""
    return not is_camera(spec) and not is_address(spec) and (is_pattern(spec) or Path(spec).is_dir())


def is_clip(spec: str) -> bool:
    """Is it a video file?"""
    return not (is_camera(spec) or is_address(spec) or is_sequence(spec))


def camera_of(spec: str) -> int | str:
    """The number of a camera, which every backend of OpenCV knows; else its device."""
    if spec.isdigit():
        return int(spec)
    # Links such as /dev/v4l/by-id/... keep pointing at the same camera.
    device = _DEVICE.fullmatch(str(Path(spec).resolve()))
    return int(device[1]) if device else spec


def check_spec(spec: str) -> None:
    """Raises InputError when `spec` names a file, folder or device that is not there."""
    if spec.isdigit() or is_address(spec):
        return
    if is_camera(spec):
        if not Path(spec).exists():
            raise InputError(
                f"no such camera: {spec}; 'facecli run --list-cameras' shows those that are there"
            )
    elif is_sequence(spec):
        sequence_pictures(spec)
    elif not Path(spec).exists():
        raise InputError(f"no such clip: {source_name(spec)}; check the path")


def check_wishes(spec: str, wishes: Wishes, reconnect: bool) -> None:
    """Raises InputError when something is asked of a source that cannot give it."""
    if (wishes.width or wishes.height) and not is_camera(spec):
        raise InputError("--width and --height ask a camera; clips and streams have a size of their own")
    if wishes.fps and not (is_camera(spec) or is_sequence(spec)):
        raise InputError("--fps asks a camera or a sequence of pictures; clips and streams have their own")
    if reconnect and not (is_camera(spec) or is_address(spec)):
        raise InputError("--reconnect is for cameras and streams; a file does not go away")


def source_name(spec: str) -> str:
    """How messages call a source: "camera 0", or as given, without passwords."""
    return f"camera {spec}" if spec.isdigit() else redacted(spec)


def cannot_open(spec: str) -> str:
    """One line with a remedy."""
    if is_camera(spec):
        return f"{source_name(spec)} cannot be opened: none there, or in use; give another number or a clip"
    if is_address(spec):
        return f"{source_name(spec)} cannot be opened; check the address and the network"
    return f"{source_name(spec)} cannot be opened: not a video, damaged, or cut short; try another file"
