"""Keys of the live picture, and what they change: nothing here draws or opens anything."""

from enum import Enum
from typing import NamedTuple

from facecli.draw.anonymize import METHODS


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
