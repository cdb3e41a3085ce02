"""The window itself, without a screen: OpenCV's functions are replaced."""

import contextlib

import cv2
import numpy as np
import pytest

from facecli.core.errors import OutputError
from facecli.window.screen import Screen

FRAME = np.zeros((48, 64, 3), np.uint8)
FRAME[..., 0] = 200


@pytest.fixture
def calls(monkeypatch):
    """Names of the called functions of OpenCV, in order."""
    calls = []
    for name in ("namedWindow", "resizeWindow", "imshow", "destroyAllWindows"):
        monkeypatch.setattr(cv2, name, lambda *_, name=name: calls.append(name))
    monkeypatch.setattr(cv2, "waitKeyEx", lambda wait_ms: 7)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
    monkeypatch.setattr("facecli.window.screen.display_available", lambda: True)
    return calls


class Ended(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def ending(monkeypatch):
    """A function in which a library calls exit()."""
    acts = []

    @contextlib.contextmanager
    def before_exit(act, aborts=False):
        acts.append(act)
        yield
        acts.remove(act)

    def ending(*_):
        acts[-1]()
        raise Ended

    monkeypatch.setattr("facecli.window.screen.before_exit", before_exit)
    return ending


def test_a_screen_that_showed_nothing_closes_nothing(calls):
    with Screen("t"):
        pass
    assert calls == []


def test_the_window_is_opened_once_and_closed(calls):
    with Screen("t") as screen:
        screen.show(FRAME)
        screen.show(FRAME)
        assert screen.key() == 7
    assert calls == ["namedWindow", "resizeWindow", "imshow", "imshow", "destroyAllWindows"]


def test_no_display_no_window(calls, monkeypatch):
    monkeypatch.setattr("facecli.window.screen.display_available", lambda: False)
    with pytest.raises(OutputError, match="--no-show"), Screen("t") as screen:
        screen.show(FRAME)
    assert calls == []


def test_an_opencv_without_windows_is_one_line(calls, monkeypatch):
    def headless(*_):
        raise cv2.error("The function is not implemented")

    monkeypatch.setattr(cv2, "imshow", headless)
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")
    with pytest.raises(OutputError, match="has no windows .*; install opencv-python"), Screen("t") as screen:
        screen.show(FRAME)


@pytest.mark.parametrize(
    ("function", "act", "message"),
    [
        ("namedWindow", lambda screen: screen.show(FRAME), "cannot open a window"),
        ("imshow", lambda screen: screen.show(FRAME), "display is gone"),
        ("waitKeyEx", Screen.key, "display is gone"),
        ("getWindowProperty", Screen.closed, "display is gone"),
        ("destroyAllWindows", Screen.__exit__, "display is gone"),
    ],
)
def test_a_display_that_goes_within_a_call_is_reported(calls, ending, monkeypatch, function, act, message):
    errors = []
    screen = Screen("t", errors.append)
    if function not in ("namedWindow", "imshow"):
        screen.show(FRAME)
    monkeypatch.setattr(cv2, function, ending)
    with pytest.raises(Ended):
        act(screen)
    assert len(errors) == 1
    assert message in str(errors[0])
    calls.clear()
    screen.__exit__()
    assert calls == [], "a display that has gone is left alone"
