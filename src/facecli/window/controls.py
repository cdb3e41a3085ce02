"""What keys of the live picture change, and what the window says beside the faces: rate, keys, news."""

from enum import Enum
from typing import NamedTuple

import cv2

from facecli.core.arrays import Array
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
_ESCAPE, _SPACE = 27, 32
_MODIFIERS = 0xFFFF0000
"""Bits in which `cv2.waitKeyEx` says that Shift, Num Lock and the like are down."""


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


_RED: Colour = (235, 40, 40)
_SIZE = 0.75
"""Height of the letters as a share of the labels'."""


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
