"""The recorded video: as long as it was seen, without pauses, never over another file."""

import cv2
import numpy as np
import pytest

from facecli.core.errors import OutputError
from facecli.sources.video import open_source
from facecli.window.view import Recorder

FRAME = np.zeros((48, 64, 3), np.uint8)


class Clock:
    seconds = 0.0

    def __call__(self):
        return self.seconds


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (grabbed := capture.read())[0]:
        frames.append(grabbed[1])
    return frames


def test_without_a_frame_no_file_is_left(tmp_path):
    Recorder(tmp_path, 10, Clock()).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seen_fps", [4, 10, 40])
def test_the_video_is_as_long_as_it_was_seen(tmp_path, seen_fps):
    clock = Clock()
    recorder = Recorder(tmp_path, 10, clock)
    for number in range(3 * seen_fps):
        clock.seconds = number / seen_fps
        recorder.write(FRAME)
    assert recorder.seconds == pytest.approx(3 - 1 / seen_fps)
    recorder.close()
    with open_source(str(recorder.path)) as source:
        times = [frame.time_s for frame in source]
    assert times == pytest.approx([number / seen_fps for number in range(3 * seen_fps)], abs=0.001)
    assert list(tmp_path.iterdir()) == [recorder.path]


def test_a_pause_is_left_out(tmp_path):
    clock = Clock()
    recorder = Recorder(tmp_path, 10, clock)
    recorder.write(FRAME)
    recorder.pause()
    clock.seconds = 100.0
    recorder.write(FRAME)
    recorder.close()
    assert len(frames_of(recorder.path)) == 2


def test_large_frames_are_shrunk(tmp_path):
    recorder = Recorder(tmp_path, 10, Clock())
    recorder.write(np.zeros((2160, 3840, 3), np.uint8))
    recorder.close()
    assert frames_of(recorder.path)[0].shape == (1080, 1920, 3)


def test_folder_that_cannot_be_written_is_one_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        Recorder(tmp_path / "file", 10, Clock())
