"""A window of OpenCV, what its keys change, and what it says beside the faces: rate, keys, news.

Whether one can be opened is asked before; it opens with the first picture, and is gone when the display is.
"""

import contextlib
import functools
import os
import socket
import sys
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import cv2

from facecli.core.arrays import Array
from facecli.core.errors import OutputError
from facecli.core.process import before_exit
from facecli.draw.anonymize import METHODS
from facecli.draw.plates import (
    SMALLEST_TEXT,
    Colour,
    Plate,
    Rectangle,
    build_plate,
    draw_plate,
    plain_row,
    text_height,
    wrap_text,
)
from facecli.pipeline.stream import StreamStats


class Action(Enum):
    """What a key asks for; the value is the help line's word for it."""

    QUIT = "quit"
    PAUSE = "pause"
    SNAPSHOT = "snapshot"
    MIRROR = "mirror"
    DETAILS = "details"
    ANONYMIZE = "anonymise"
    RECORD = "record"
    HELP = "help"


KEYS = {
    "q": Action.QUIT,
    "p": Action.PAUSE,
    "s": Action.SNAPSHOT,
    "m": Action.MIRROR,
    "d": Action.DETAILS,
    "a": Action.ANONYMIZE,
    "r": Action.RECORD,
    "h": Action.HELP,
}
"""The letters that the help line shows; capitals do the same."""
_ESCAPE, _RETURN, _SPACE = 27, 13, 32
_MODIFIERS = 0xFFFF0000
"""Bits in which `cv2.waitKeyEx` says that Shift, Num Lock and the like are down."""
_RED: Colour = (235, 40, 40)
_SIZE = 0.75
"""Height of the letters as a share of the labels'."""
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


class Controls(NamedTuple):
    """What the user can switch.

    Attributes:
        mirror: left and right are swapped, as in a mirror; texts are not.
        details: labels tell how sure each head is.
        anonymize: one of `draw.anonymize.METHODS`; None shows faces.
        protected: the method that has been applied before; it can be replaced, not taken off.
        help: the line of keys is shown.
        paused: the picture stands still.
    """

    mirror: bool = False
    details: bool = False
    anonymize: str | None = None
    protected: str | None = None
    help: bool = True
    paused: bool = False

    def after(self, action: Action | None) -> "Controls":
        """The state after an action; what is done once (quit, snapshot, record) changes none."""
        if action is Action.PAUSE:
            return self._replace(paused=not self.paused)
        if action is Action.MIRROR:
            return self._replace(mirror=not self.mirror)
        if action is Action.DETAILS:
            return self._replace(details=not self.details)
        if action is Action.HELP:
            return self._replace(help=not self.help)
        if action is Action.ANONYMIZE:
            return self._replace(anonymize=self._next_method())
        return self

    def _next_method(self) -> str | None:
        methods = METHODS if self.protected else (None, *METHODS)
        return methods[(methods.index(self.anonymize or self.protected) + 1) % len(methods)]


def action_of(key: int) -> Action | None:
    """What a key of `cv2.waitKeyEx` asks for; None for no key (-1) and all others.

    The whole code counts: the low byte of an arrow key is a letter's.
    """
    if key < 0:
        return None
    code = key & ~_MODIFIERS
    if code == _ESCAPE:
        return Action.QUIT
    if code == _SPACE:
        return Action.PAUSE
    return KEYS.get(chr(code).lower()) if code < 128 else None


def help_parts(controls: Controls, recording: bool = False) -> list[str]:
    """ "q quit", "a anonymise: blur", ...: every key, and what it has been set to."""
    states = {
        Action.PAUSE: "go on" if controls.paused else "pause",
        Action.RECORD: "stop recording" if recording else "record",
        Action.ANONYMIZE: f"anonymise: {controls.anonymize or controls.protected or 'off'}",
    }
    return [f"{key} {states.get(action, action.value)}" for key, action in KEYS.items()]


class Shown(NamedTuple):
    """Everything in the window that is no face.

    Attributes:
        controls: what is switched on.
        recorded_s: length of the video that is being recorded, in seconds; None without one.
        notice: what was just done, or why it failed; "" for nothing.
    """

    controls: Controls
    recorded_s: float | None = None
    notice: str = ""


def draw_hud(image_rgb: Array, stats: StreamStats, shown: Shown) -> None:
    """Draws into the picture itself, (H, W, 3) uint8 RGB, contiguous."""
    height, width = resolution = image_rgb.shape[:2]
    letters = _letters((width, height))
    line = plain_row(stats_line(stats, shown.controls))
    draw_plate(image_rgb, build_plate((line,), letters, (width, height)), (0, 0))
    if shown.recorded_s is not None:
        _draw_recording(image_rgb, shown.recorded_s, letters)
    bottom = height
    if shown.controls.help:
        plate = _help_plate(resolution, shown.controls, shown.recorded_s is not None)
        bottom = height - plate.height
        draw_plate(image_rgb, plate, (0, bottom))
    if shown.notice:
        plate = build_plate(wrap_text(shown.notice.split(" "), letters, width, " "), letters, (width, height))
        draw_plate(image_rgb, plate, ((width - plate.width) // 2, max(bottom - plate.height - plate.pad, 0)))


def hud_areas(shape: tuple[int, int], controls: Controls, recording: bool) -> list[Rectangle]:
    """Where a picture of that height and width is written on for long: labels should not stand there."""
    height, width = shape
    letters = _letters((width, height))
    corner = build_plate((plain_row("000 fps  000 ms"),), letters, (width, height))
    areas = [Rectangle(0, 0, corner.width, corner.height)]
    if recording:
        areas.append(Rectangle(width - corner.width, 0, width, corner.height))
    if controls.help:
        areas.append(Rectangle(0, height - _help_plate(shape, controls, recording).height, width, height))
    return areas


def stats_line(stats: StreamStats, controls: Controls) -> str:
    """ "30 fps  45 ms": the drawn frames a second, and how old the labels are."""
    if controls.paused:
        return "paused"
    return f"{stats.fps:.0f} fps  {stats.latency_ms:.0f} ms"


def _help_plate(shape: tuple[int, int], controls: Controls, recording: bool) -> Plate:
    """The line of keys, as wide as the picture."""
    height, width = shape
    letters = _letters((width, height))
    rows = wrap_text(help_parts(controls, recording), letters, width)
    return build_plate(rows, letters, (width, height))._replace(width=width)


def _draw_recording(image_rgb: Array, seconds: float, letters: int) -> None:
    """A red dot and the time in the upper right corner."""
    height, width = image_rgb.shape[:2]
    minutes, rest = divmod(int(seconds), 60)
    # The dot stands where the text begins with spaces.
    text = plain_row(f"      REC {minutes}:{rest:02d}")
    plate = build_plate((text,), letters, (width, height))
    left, middle = max(width - plate.width, 0), plate.height // 2
    draw_plate(image_rgb, plate, (left, 0))
    centre = left + plate.pad + middle // 2, middle
    cv2.circle(image_rgb, centre, max(2, round(0.28 * plate.height)), _RED, cv2.FILLED, cv2.LINE_AA)


def _letters(resolution_wh: tuple[int, int]) -> int:
    return max(SMALLEST_TEXT, round(_SIZE * text_height(resolution_wh)))


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
