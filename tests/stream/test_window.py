"""The window's keys and close button, without a screen: OpenCV's functions are replaced."""

import cv2
import numpy as np
import pytest

from facecli.errors import OutputError
from facecli.faces import FrameResult
from facecli.stream.sinks import Quit
from facecli.stream.window import WindowSink

ROW = FrameResult("clip", 64, 48)
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
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "resizeWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda title, picture: screen.shown.append(picture))
    monkeypatch.setattr(cv2, "waitKey", lambda _: screen.key)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: screen.visible)
    monkeypatch.setattr(cv2, "destroyAllWindows", screen.destroy)
    return screen


def test_frames_are_shown_in_true_colours_and_not_changed(screen):
    with WindowSink("t") as window:
        window.write(ROW, FRAME)
        window.write(ROW, FRAME)
    assert screen.shown[1][47, 63].tolist() == [0, 0, 200]
    assert (FRAME[..., 0] == 200).all()
    assert screen.destroyed == 1


@pytest.mark.parametrize("key", [ord("q"), ord("Q"), 27, 0x100000 | ord("q")])
def test_quit_keys(screen, key):
    screen.key = key
    with pytest.raises(Quit), WindowSink("t") as window:
        window.write(ROW, FRAME)
    assert screen.destroyed == 1


def test_other_keys_do_nothing(screen):
    screen.key = ord("x")
    with WindowSink("t") as window:
        window.write(ROW, FRAME)


def test_close_button_quits(screen, monkeypatch):
    screen.visible = 0.0
    with pytest.raises(Quit), WindowSink("t") as window:
        window.write(ROW, FRAME)

    def gone(*_):
        raise cv2.error("NULL guiReceiver")

    monkeypatch.setattr(cv2, "getWindowProperty", gone)
    with pytest.raises(Quit), WindowSink("t") as window:
        window.write(ROW, FRAME)


@pytest.mark.parametrize(("key", "visible"), [(ord("q"), 1.0), (13, 1.0), (-1, 0.0)])
def test_single_picture_waits_for_key_or_close(screen, key, visible):
    screen.key, screen.visible = key, visible
    WindowSink("t").show_until_closed(FRAME)
    assert len(screen.shown) == 1


def test_opencv_without_windows_is_one_line(monkeypatch):
    def headless(*_):
        raise cv2.error("The function is not implemented")

    monkeypatch.setattr(cv2, "namedWindow", headless)
    with pytest.raises(OutputError, match="--no-show"), WindowSink("t") as window:
        window.write(ROW, FRAME)
