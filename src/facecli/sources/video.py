"""Frames from a camera, a clip, numbered pictures or a network stream, one interface for all."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from facecli.core.errors import SourceError
from facecli.sources.frames import FALLBACK_FPS, STALL_S, ClipOptions, Frame, OpenSource
from facecli.sources.video_specs import (
    CaptureOptions,
    check_spec,
    is_animated_webp,
    is_camera,
    is_sequence,
    sequence_pictures,
    source_name,
)

log: logging.Logger = logging.getLogger(__name__)

BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Pauses before the tries; after the last one the source is given up."""
_SLICE_S = 0.1


class ReconnectingSource:
    """Looks like the live source that it holds; frames and seconds count on after a gap.

    A frame that arrives makes all tries new.
    """

    name: str
    given: str
    fps: float
    promised: int
    live: bool
    broken: int = 0
    bits_per_s: int = 0
    has_sound: bool = False
    stall_s: float = sum(BACK_OFF_S) + (2 + len(BACK_OFF_S)) * STALL_S

    def __init__(
        self,
        reopen: Callable[[], OpenSource],
        notify: Callable[[str], None],
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Opens the source for the first time.

        Args:
            reopen: opens it; raises SourceError.
            notify: takes one line for each try.
            wait: sleeps for some seconds.

        Raises:
            SourceError: it cannot be opened at all.
        """
        self._reopen = reopen
        self._notify = notify
        self._wait = wait
        self._closed = False
        self._source = source = reopen()
        self.spec: str = source.spec
        self.name, self.given, self.fps = source.name, source.given, source.fps
        self.promised, self.live = source.promised, source.live

    def __enter__(self) -> "ReconnectingSource":
        return self

    def __exit__(self, *error: Any) -> None:
        self._closed = True
        self._source.__exit__(*error)

    def __iter__(self) -> Iterator[Frame]:
        """Frames for ever. Raises SourceError when it was lost and every try failed."""
        started, index, tries = time.monotonic(), 0, 0
        while True:
            try:
                for frame in self._source:
                    yield Frame(index, time.monotonic() - started, frame.image_rgb)
                    index, tries = index + 1, 0
                return
            except SourceError as error:
                if self._closed:
                    return
                tries = self._open_again(tries, error)

    def _open_again(self, tries: int, lost: SourceError) -> int:
        """Tries until it is open; returns how many tries that took. Raises SourceError after the last."""
        # A device that is still held cannot be opened anew.
        self._source.__exit__(None, None, None)
        for number, pause_s in enumerate(BACK_OFF_S[tries:], start=tries + 1):
            self._notify(
                f"{self.name} was lost; trying again in {pause_s:g} s (try {number} of {len(BACK_OFF_S)})"
            )
            self._pause(pause_s)
            if self._closed:
                return number
            try:
                self._source = self._reopen()
            except SourceError:
                continue
            if self._closed:
                self._source.__exit__(None, None, None)
            return number
        raise SourceError(
            f"{self.name} did not come back after {len(BACK_OFF_S)} attempts; the results so far are kept"
        ) from lost

    def _pause(self, seconds: float) -> None:
        """Waits in slices, so that the end of the program need not wait as long."""
        for _ in range(max(1, round(seconds / _SLICE_S))):
            if self._closed:
                return
            self._wait(_SLICE_S)


def open_source(
    spec: str,
    capture_options: CaptureOptions | None = None,
    clip_options: ClipOptions | None = None,
    notify: Callable[[str], None] = log.warning,
) -> OpenSource:
    """Opens a camera, clip, sequence of pictures or stream.

    Args:
        spec: camera number ("0") or device ("/dev/video0"), path of a clip, "-" for one on standard input,
            folder or pattern of numbered pictures ("frames/%04d.png"), or address ("rtsp://...",
            "http://...").
        capture_options: size and rate that a camera is asked for; it may refuse them.
        clip_options: which part of it, and how it is read.
        notify: takes a line when the camera does not do as it was asked.

    Raises:
        InputError: there is no such file, or it is no video.
        SourceError: it cannot be opened.
    """
    from facecli.sources.capture import AnimationCapture, CaptureSource, SequenceCapture, open_camera

    check_spec(spec)
    capture_options = capture_options or CaptureOptions()
    log.info("opening %s", source_name(spec))
    if is_camera(spec):
        return open_camera(spec, capture_options, clip_options, notify)
    if is_sequence(spec):
        pictures = SequenceCapture(sequence_pictures(spec), capture_options.fps or FALLBACK_FPS)
        return CaptureSource(spec, pictures, clip_options)
    if is_animated_webp(spec):
        return CaptureSource(spec, AnimationCapture(Path(spec)), clip_options)
    # PyAV takes as long to import as OpenCV: cameras do without.
    from facecli.sources.clip import ClipSource

    return ClipSource(spec, clip_options)
