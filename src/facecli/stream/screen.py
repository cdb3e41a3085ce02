"""A window of OpenCV: opened with the first picture, asked for keys, gone when the display is."""

import contextlib
import functools
from collections.abc import Callable

import cv2
import numpy as np

from facecli.errors import OutputError
from facecli.stream.display import display_available
from facecli.stream.native_exit import before_exit

_LARGEST_WH = 1280, 800
_WINDOW = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
_NO_WINDOW = "cannot open a window on this display; use --no-show with --output or --json"
_GONE = "the display is gone; what was written until then is kept"


class Screen:
    """One window. Use it in one thread."""

    def __init__(self, title: str, when_lost: Callable[[OutputError], None] | None = None) -> None:
        """Opens nothing yet.

        Args:
            title: of the window.
            when_lost: closes files and reports the error when the display has gone: Qt then ends
                the process, and no exception can be raised any more.
        """
        self._title = title
        self._when_lost = when_lost
        self._open = self._lost = False

    def __enter__(self) -> "Screen":
        return self

    def __exit__(self, *_) -> None:
        """Closes the window, if the display is still there to take it from."""
        if self._open and not self._lost:
            self._open = False
            with self._watched(_GONE), contextlib.suppress(cv2.error):
                cv2.destroyAllWindows()

    def show(self, picture_rgb: np.ndarray) -> None:
        """Shows (H, W, 3) uint8 RGB.

        Raises OutputError when no window can be opened: this OpenCV has none, or there is no display.
        """
        try:
            if not self._open:
                self._begin(picture_rgb.shape[1], picture_rgb.shape[0])
            with self._watched(_GONE):
                cv2.imshow(self._title, cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))
        except cv2.error as error:
            raise OutputError(_NO_WINDOW) from error

    def key(self, wait_ms: int = 1) -> int:
        """The key that was pressed within that time, as `cv2.waitKeyEx` says it; -1 for none."""
        try:
            with self._watched(_GONE):
                return cv2.waitKeyEx(wait_ms)
        except cv2.error:
            return -1

    def closed(self) -> bool:
        """Has the user closed it?"""
        try:
            with self._watched(_GONE):
                return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:
            # Qt raises once the last window is gone.
            return True

    def _begin(self, width: int, height: int) -> None:
        # It may have gone while models were loaded.
        if not display_available():
            raise OutputError(_NO_WINDOW)
        shrink = min(1.0, _LARGEST_WH[0] / width, _LARGEST_WH[1] / height)
        with self._watched(_NO_WINDOW, aborts=True):
            cv2.namedWindow(self._title, _WINDOW)
            self._open = True
            cv2.resizeWindow(self._title, max(1, round(width * shrink)), max(1, round(height * shrink)))

    def _watched(self, message: str, aborts: bool = False) -> contextlib.AbstractContextManager:
        """For calls in which Qt may end the process."""
        if self._when_lost is None:
            return contextlib.nullcontext()
        return before_exit(functools.partial(self._lose, self._when_lost, message), aborts)

    def _lose(self, when_lost: Callable[[OutputError], None], message: str) -> None:
        self._lost = True
        when_lost(OutputError(message))
