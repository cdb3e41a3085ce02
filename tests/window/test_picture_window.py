"""The window's keys and close button, without a screen: OpenCV's functions are replaced."""

import cv2
import numpy as np
import pytest

from facecli.core.errors import OutputError
from facecli.window.screen import PictureWindow

FRAME = np.zeros((48, 64, 3), np.uint8)
FRAME[..., 0] = 200


@pytest.fixture
def screen(monkeypatch):
    """What was shown (BGR), and the next key and visibility."""

    class Screen:
        shown, key, visible, destroyed = [], -1, 1.0, 0

        def destroy(self):
            self.destroyed += 1

    screen = Screen()
    screen.shown = []
    monkeypatch.setattr("facecli.window.screen.display_available", lambda: True)
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "resizeWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda title, picture: screen.shown.append(picture))
    monkeypatch.setattr(cv2, "waitKeyEx", lambda _: screen.key)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: screen.visible)
    monkeypatch.setattr(cv2, "destroyAllWindows", screen.destroy)
    return screen


def test_a_picture_is_shown_in_true_colours_and_not_changed(screen):
    screen.key = ord("q")
    with PictureWindow("t") as window:
        window.show_until_closed(FRAME)
    assert screen.shown[0][47, 63].tolist() == [0, 0, 200]
    assert (FRAME[..., 0] == 200).all()
    assert screen.destroyed == 1


@pytest.mark.parametrize("key", [ord("q"), ord("Q"), 27, 0x100000 | ord("q")])
def test_quit_keys(screen, key):
    screen.key = key
    PictureWindow("t").show_until_closed(FRAME)
    assert len(screen.shown) == 1


def test_other_keys_do_nothing(screen, monkeypatch):
    keys = [ord("x"), 0xFF51, -1, 27]
    monkeypatch.setattr(cv2, "waitKeyEx", lambda _: keys.pop(0))
    PictureWindow("t").show_until_closed(FRAME)
    assert keys == []


def test_close_button_ends_it(screen, monkeypatch):
    def gone(*_):
        raise cv2.error("NULL guiReceiver")

    monkeypatch.setattr(cv2, "getWindowProperty", gone)
    PictureWindow("t").show_until_closed(FRAME)


@pytest.mark.parametrize(("key", "visible"), [(ord("q"), 1.0), (13, 1.0), (-1, 0.0)])
def test_single_picture_waits_for_key_or_close(screen, key, visible):
    screen.key, screen.visible = key, visible
    PictureWindow("t").show_until_closed(FRAME)
    assert len(screen.shown) == 1


def test_opencv_without_windows_is_one_line(monkeypatch):
    def headless(*_):
        raise cv2.error("The function is not implemented")

    monkeypatch.setattr("facecli.window.screen.display_available", lambda: True)
    monkeypatch.setattr(cv2, "namedWindow", headless)
    with pytest.raises(OutputError, match="--no-show"), PictureWindow("t") as window:
        window.show_until_closed(FRAME)
