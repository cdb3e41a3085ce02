"""Cameras and sequences: what they yield, how they end, that they are released."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from facecli.core.errors import SourceError
from facecli.sources.capture import CaptureSource
from facecli.sources.frames import FALLBACK_FPS
from facecli.sources.video import open_source

SHARED = Path(__file__).resolve().parents[3] / "shared"


def write_clip(path, count=40, fourcc="MJPG"):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), 20, (64, 48))
    random = np.random.default_rng(0)
    for _ in range(count):
        writer.write(random.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    return path


def test_frames_are_rgb_with_index_and_time(fake_capture, frames):
    with CaptureSource("frames", fake_capture(frames(3))) as source:
        found = list(source)
    assert [frame.index for frame in found] == [0, 1, 2]
    assert [round(frame.time_s, 3) for frame in found] == [0.0, 0.1, 0.2]
    assert found[2].image_rgb[0, 0].tolist() == [0, 0, 2]


def test_capture_is_released_after_an_error_and_after_a_break(fake_capture, frames):
    capture = fake_capture(frames(3), error_at=1)
    with pytest.raises(KeyboardInterrupt), CaptureSource("frames", capture) as source:
        list(source)
    assert capture.released
    capture = fake_capture(frames(3))
    with CaptureSource("frames", capture) as source:
        next(iter(source))
    assert capture.released


def test_source_that_does_not_open_is_named_and_released(fake_capture):
    capture = fake_capture([], opened=False)
    with pytest.raises(SourceError, match="camera 3 cannot be opened"):
        CaptureSource("3", capture)
    assert capture.released


def test_source_without_any_frame_is_an_error(fake_capture):
    with pytest.raises(SourceError, match="frames gave no frame"):
        list(CaptureSource("frames", fake_capture([], promised=9)))


def test_lost_camera_is_an_error_after_its_frames(fake_capture, frames):
    found = []
    with pytest.raises(SourceError, match="camera 0 was lost after 4 frames"):
        found.extend(frame.index for frame in CaptureSource("0", fake_capture(frames(4), promised=-1)))
    assert found == [0, 1, 2, 3]


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf"), 90000.0])
def test_impossible_frame_rates_are_replaced(fake_capture, frames, fps):
    capture = fake_capture(frames(2))
    capture.fps = fps
    assert CaptureSource("frames", capture).fps == FALLBACK_FPS


def test_grey_frames_become_rgb(fake_capture):
    (frame,) = CaptureSource("frames", fake_capture([np.full((4, 6), 7, np.uint8)]))
    assert frame.image_rgb.shape == (4, 6, 3) and (frame.image_rgb == 7).all()


def test_broken_frames_in_the_middle_are_left_out(fake_capture, frames):
    good = frames(8)
    capture = fake_capture([*good[:2], None, None, None, *good[5:]])
    source = CaptureSource("frames", capture)
    assert [frame.index for frame in source] == [0, 1, 5, 6, 7]
    assert source.broken == 3


def test_too_many_broken_frames_are_the_end(fake_capture, frames):
    capture = fake_capture([*frames(20), *[None] * 200, *frames(20)])
    found = []
    with pytest.raises(SourceError, match="frames is cut short: 100 pictures in a row cannot be read"):
        found.extend(CaptureSource("frames", capture))
    assert len(found) == 20


def test_reading_error_of_opencv_is_a_broken_frame(fake_capture, frames, monkeypatch):
    capture = fake_capture(frames(3))
    read = capture.read

    def failing():
        if capture.position == 1:
            capture.position += 1
            raise cv2.error("corrupt")
        return read()

    monkeypatch.setattr(capture, "read", failing)
    assert [frame.index for frame in CaptureSource("frames", capture)] == [0, 2]


def test_capture_that_hangs_is_released_by_its_reader(fake_capture, frames, monkeypatch):
    capture, reading, answer = fake_capture(frames(3)), threading.Event(), threading.Event()
    read = capture.read

    def hanging():
        reading.set()
        assert answer.wait(10) and not capture.released, "released while it was read"
        return read()

    monkeypatch.setattr(capture, "read", hanging)
    source = CaptureSource("0", capture)
    reader = threading.Thread(target=lambda: next(iter(source), None))
    reader.start()
    assert reading.wait(10)
    source.__exit__()
    answer.set()
    reader.join(10)
    assert capture.released


def test_real_clip_is_read_whole(tmp_path):
    with open_source(str(write_clip(tmp_path / "ü clip.avi"))) as source:
        assert (source.fps, source.promised, len(list(source))) == (20, 40, 40)


def test_real_clip_cut_in_the_middle_is_an_error(tmp_path):
    path = write_clip(tmp_path / "clip.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match="clip.avi"), open_source(str(path)) as source:
        list(source)


@pytest.mark.parametrize("content", [b"", b"no video" * 100])
def test_file_that_is_no_video_is_an_error(tmp_path, content):
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="notes.mp4 cannot be opened"):
        open_source(str(path))


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_clip_whose_header_promises_three_frames_too_many_is_whole():
    with open_source(str(SHARED / "clips" / "no_face.mp4")) as source:
        assert len(list(source)) == 95
