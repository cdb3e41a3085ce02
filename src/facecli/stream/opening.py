"""Opens whatever `--video` names."""

import logging
from collections.abc import Callable

import cv2

from facecli.stream.sequence import SequenceCapture, sequence_pictures
from facecli.stream.sources import FALLBACK_FPS, STALL_S, CameraCapture, VideoSource
from facecli.stream.specs import (
    Wishes,
    camera_of,
    check_spec,
    is_address,
    is_camera,
    is_sequence,
    source_name,
)

log = logging.getLogger(__name__)

_WISHED = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS


def open_source(
    spec: str,
    wishes: Wishes | None = None,
    notify: Callable[[str], None] = log.warning,
    open_capture: Callable[[int | str], CameraCapture] | None = None,
) -> VideoSource:
    """Opens a camera, clip, sequence of pictures or stream.

    Args:
        spec: camera number ("0") or device ("/dev/video0"), path of a clip, folder or pattern of
            numbered pictures ("frames/%04d.png"), or address ("rtsp://...", "http://...").
        wishes: size and rate that a camera is asked for; it may refuse them.
        notify: takes a line when the camera does not do as it was asked.
        open_capture: makes the capture from a camera number or a text.

    Raises:
        InputError: there is no such file.
        SourceError: it cannot be opened.
    """
    check_spec(spec)
    wishes = wishes or Wishes()
    log.info("opening %s", source_name(spec))
    if is_sequence(spec):
        return VideoSource(spec, SequenceCapture(sequence_pictures(spec), wishes.fps or FALLBACK_FPS))
    capture = (open_capture or default_capture)(camera_of(spec) if is_camera(spec) else spec)
    if is_camera(spec):
        _ask_camera(capture, wishes)
    source = VideoSource(spec, capture)
    if is_camera(spec) and (refused := _refused(capture, wishes)):
        notify(f"{source.name} gives {refused}")
    return source


def default_capture(what: int | str) -> CameraCapture:
    """OpenCV's capture; of an address one that gives up after STALL_S."""
    if isinstance(what, int) or not is_address(what):
        return cv2.VideoCapture(what)
    limit_ms = int(STALL_S * 1000)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit_ms]
    capture = cv2.VideoCapture(what, cv2.CAP_FFMPEG, limits)
    # A build of OpenCV without FFmpeg may have another way.
    return (
        capture
        if capture.isOpened() or cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG)
        else cv2.VideoCapture(what)
    )


def _ask_camera(capture: CameraCapture, wishes: Wishes) -> None:
    """Asks for size and rate; a driver takes what is nearest to it, or nothing."""
    if wishes.width or wishes.height:
        # Most webcams give large pictures at a useful rate as JPEG only.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    for prop, value in zip(_WISHED, wishes, strict=True):
        if value:
            capture.set(prop, value)


def _refused(capture: CameraCapture, wishes: Wishes) -> str:
    """What the camera gives when it is not what was asked for: "640x480 at 30 fps"; else ""."""
    width, height, fps = given = [capture.get(prop) for prop in _WISHED]
    if all(not wish or round(wish) == round(value) for wish, value in zip(wishes, given, strict=True)):
        return ""
    return f"{width:.0f}x{height:.0f} at {fps:.0f} fps"
