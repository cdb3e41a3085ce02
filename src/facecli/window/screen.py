"""A window of OpenCV: whether one can be opened, opened with the first picture, gone when the display is."""

import contextlib
import functools
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import cv2

from facecli.core.arrays import Array
from facecli.core.errors import OutputError
from facecli.core.process import before_exit
from facecli.window.controls import Action, action_of

_TIMEOUT_S = 2.0
_X_PORT = 6000

_LARGEST_WH = 1280, 800
_WINDOW = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
_NO_WINDOW = "cannot open a window on this display; use --no-show with --output or --json"
_HEADLESS = (
    "this OpenCV has no windows (opencv-python-headless); install opencv-python in its place, "
    "or use --no-show with --output or --json"
)
_GONE = "the display is gone; what was written until then is kept"

_RETURN, _SPACE = 13, 32


def display_available() -> bool:
    """Is there a screen to open a window on?

    OpenCV's Qt would end the whole process when it cannot reach the X server, so the server
    named by `DISPLAY` is asked first. macOS and Windows always have one.
    """
    if sys.platform in ("darwin", "win32"):
        return True
    connection = _x_connection()
    if connection is None:
        return False
    connection.close()
    return True


def _x_connection() -> socket.socket | None:
    """A connection to the X server of `DISPLAY`; None when it names none or none answers."""
    display = os.environ.get("DISPLAY", "")
    host, colon, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not colon or not number.isdigit():
        return None
    if host and host != "unix":
        return _connected(socket.AF_INET, (host, _X_PORT + int(number)))
    path = f"/tmp/.X11-unix/X{number}"
    # An X server on Linux listens on an abstract socket of the same name too.
    return _connected(socket.AF_UNIX, path) or _connected(socket.AF_UNIX, f"\0{path}")


def _connected(family: int, address: str | tuple[str, int]) -> socket.socket | None:
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(_TIMEOUT_S)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        return None
    return connection


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

    def __exit__(self, *_: object) -> None:
        """Closes the window, if the display is still there to take it from."""
        if self._open and not self._lost:
            self._open = False
            with self._watched(_GONE), contextlib.suppress(cv2.error):
                cv2.destroyAllWindows()

    def show(self, picture_rgb: Array) -> None:
        """Shows (H, W, 3) uint8 RGB.

        Raises OutputError when no window can be opened: this OpenCV has none, or there is no display.
        """
        try:
            if not self._open:
                self._begin(picture_rgb.shape[1], picture_rgb.shape[0])
            with self._watched(_GONE):
                cv2.imshow(self._title, cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))
        except cv2.error as error:
            raise OutputError(_NO_WINDOW if cv2.currentUIFramework() else _HEADLESS) from error

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

    def _watched(self, message: str, aborts: bool = False) -> contextlib.AbstractContextManager[Any]:
        """For calls in which Qt may end the process."""
        if self._when_lost is None:
            return contextlib.nullcontext()
        return before_exit(functools.partial(self._lose, self._when_lost, message), aborts)

    def _lose(self, when_lost: Callable[[OutputError], None], message: str) -> None:
        self._lost = True
        when_lost(OutputError(message))


class PictureWindow:
    """A window for one picture; the live picture has `window.view.LiveView`."""

    def __init__(self, title: str, when_lost: Callable[[OutputError], None] | None = None) -> None:
        """Opens nothing yet; see `Screen`."""
        self._screen = Screen(title, when_lost)

    def __enter__(self) -> "PictureWindow":
        return self

    def __exit__(self, *error: object) -> None:
        self._screen.__exit__(*error)

    def show_until_closed(self, drawn_rgb: Array) -> None:
        """Shows (H, W, 3) uint8 RGB until q, Esc, Return, the space bar or the close button.

        Raises OutputError when no window can be opened.
        """
        self._screen.show(drawn_rgb)
        while not self._screen.closed():
            key = self._screen.key(50)
            if action_of(key) is Action.QUIT or key & 0xFFFF in (_RETURN, _SPACE):
                return
