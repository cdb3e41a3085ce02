"""Whether a window can be opened, asked before any work begins."""

import os
import socket
import sys

_TIMEOUT_S = 2.0
_X_PORT = 6000


def display_available() -> bool:
    """Is there a screen to open a window on?

    OpenCV's Qt would end the whole process when it cannot reach the X server, so the server
    named by `DISPLAY` is asked first. macOS and Windows always have one.
    """
    if sys.platform in ("darwin", "win32"):
        return True
    display = os.environ.get("DISPLAY", "")
    host, colon, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not colon or not number.isdigit():
        return False
    return _answers(host, int(number))


def _answers(host: str, number: int) -> bool:
    """Can a connection to this X server be opened?"""
    if host and host != "unix":
        return _connects(socket.AF_INET, (host, _X_PORT + number))
    path = f"/tmp/.X11-unix/X{number}"
    # An X server on Linux listens on an abstract socket of the same name too.
    return any(_connects(socket.AF_UNIX, address) for address in (path, f"\0{path}"))


def _connects(family: int, address) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(address)
        except OSError:
            return False
    return True
