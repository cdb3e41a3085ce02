"""A camera or stream that is opened again when it was lost."""

import time
from collections.abc import Callable, Iterator

from facecli.errors import SourceError
from facecli.stream.sources import STALL_S, Frame, VideoSource

BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Pauses before the tries; after the last one the source is given up."""
_SLICE_S = 0.1


class ReconnectingSource:
    """Looks like the live source that it holds; frames and seconds count on after a gap.

    A frame that arrives makes all tries new.
    """

    broken = 0
    stall_s = sum(BACK_OFF_S) + (2 + len(BACK_OFF_S)) * STALL_S

    def __init__(
        self,
        reopen: Callable[[], VideoSource],
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
        self.name, self.given, self.fps = source.name, source.given, source.fps
        self.promised, self.live = source.promised, source.live

    def __enter__(self) -> "ReconnectingSource":
        return self

    def __exit__(self, *error) -> None:
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
                self._source.__exit__()
            return number
        raise SourceError(
            f"{self.name} did not come back after {len(BACK_OFF_S)} tries; "
            "what was analysed until then is kept"
        ) from lost

    def _pause(self, seconds: float) -> None:
        """Waits in slices, so that the end of the program need not wait as long."""
        for _ in range(max(1, round(seconds / _SLICE_S))):
            if self._closed:
                return
            self._wait(_SLICE_S)
