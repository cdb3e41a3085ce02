"""Each kind of source is opened in its way."""

import cv2
import pytest

from facecli.core.errors import InputError
from facecli.sources.capture import open_camera
from facecli.sources.video import open_source
from facecli.sources.video_specs import CaptureOptions


def test_cameras_are_opened_by_their_numbers(fake_capture, frames):
    asked = []

    def open_capture(what):
        asked.append(what)
        return fake_capture(frames(1))

    open_camera("1", CaptureOptions(), open_capture=open_capture)
    open_camera("/dev/video3", CaptureOptions(), open_capture=open_capture)
    assert asked == [1, 3]


def test_missing_clip_is_refused_before_opening():
    with pytest.raises(InputError, match="no such clip"):
        open_source("nowhere.mp4")


def test_camera_is_asked_and_its_answer_is_told(fake_capture, frames):
    capture, said = fake_capture(frames(1)), []
    open_camera("0", CaptureOptions(1280, 720, 10), None, said.append, lambda what: capture)
    assert capture.asked[1:] == [
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
        (cv2.CAP_PROP_FPS, 10),
    ]
    assert said == ["camera 0 gives 640x480 at 10 fps"]


@pytest.mark.parametrize(
    "capture_options", [CaptureOptions(), CaptureOptions(640, 480), CaptureOptions(fps=10)]
)
def test_camera_that_obeys_is_not_spoken_of(fake_capture, frames, capture_options):
    open_camera("0", capture_options, None, pytest.fail, lambda what: fake_capture(frames(1)))


def test_camera_that_is_not_asked_is_left_alone(fake_capture, frames):
    capture = fake_capture(frames(1))
    open_camera("0", CaptureOptions(), open_capture=lambda what: capture)
    assert capture.asked == []
