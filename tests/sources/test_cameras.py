"""Which cameras are there: none is an answer."""

import pytest

from facecli.sources import capture as cameras
from facecli.sources.capture import Camera, camera_table, list_cameras


@pytest.fixture(autouse=True)
def all_exist(monkeypatch):
    monkeypatch.setattr(cameras, "_exists", lambda number: True)
    monkeypatch.setattr(cameras, "_name", lambda number: "Webcam")


def test_none(fake_capture):
    opened = []

    def open_capture(number):
        opened.append(fake_capture([], opened=False))
        return opened[-1]

    assert list_cameras(open_capture=open_capture) == []
    assert len(opened) == 10 and all(one.released for one in opened)
    assert camera_table([]) == [("camera", "size", "fps", "name")]


def test_those_that_give_a_picture(fake_capture, frames):
    captures = {0: fake_capture(frames(1)), 1: fake_capture([]), 2: fake_capture(frames(1), opened=False)}
    found = list_cameras(captures, captures.__getitem__)
    assert found == [Camera(0, "Webcam", 640, 480, 10)]
    assert camera_table(found)[1] == ("0", "640x480", "10", "Webcam")
    assert all(one.released for one in captures.values())
