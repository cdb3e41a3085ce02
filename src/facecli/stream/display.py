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


def _connected(family: int, address) -> socket.socket | None:
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(_TIMEOUT_S)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        return None
    return connection
