"""Is there a screen? Asked without starting Qt, which would end the process."""

import socket
import sys

import pytest

from facecli.window.screen import display_available

pytestmark = pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="X11 is asked on Linux only")


@pytest.mark.parametrize("display", [None, "", "nonsense", ":", ":x", ":4711", "localhost:4711"])
def test_no_server_no_display(monkeypatch, display):
    if display is None:
        monkeypatch.delenv("DISPLAY", raising=False)
    else:
        monkeypatch.setenv("DISPLAY", display)
    assert not display_available()


def test_listening_server_is_a_display(monkeypatch):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0/tmp/.X11-unix/X4712")
        server.listen()
        monkeypatch.setenv("DISPLAY", ":4712.0")
        assert display_available()
