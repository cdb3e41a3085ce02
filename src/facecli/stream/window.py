"""A picture in a window, until it has been seen."""

from collections.abc import Callable

import numpy as np

from facecli.errors import OutputError
from facecli.stream.controls import Action, action_of
from facecli.stream.screen import Screen

_RETURN, _SPACE = 13, 32


class PictureWindow:
    """A window for one picture; the live picture has `view.LiveView`."""

    def __init__(self, title: str, when_lost: Callable[[OutputError], None] | None = None) -> None:
        """Opens nothing yet; see `Screen`."""
        self._screen = Screen(title, when_lost)

    def __enter__(self) -> "PictureWindow":
        return self

    def __exit__(self, *error) -> None:
        self._screen.__exit__(*error)

    def show_until_closed(self, drawn_rgb: np.ndarray) -> None:
        """Shows (H, W, 3) uint8 RGB until q, Esc, Return, the space bar or the close button.

        Raises OutputError when no window can be opened.
        """
        self._screen.show(drawn_rgb)
        while not self._screen.closed():
            key = self._screen.key(50)
            if action_of(key) is Action.QUIT or key & 0xFFFF in (_RETURN, _SPACE):
                return
