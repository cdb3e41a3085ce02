"""A written video is playable, whatever happens, or not there at all."""

import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from facecli.core.errors import InputError, OutputError
from facecli.core.faces import FrameResult
from facecli.sinks.base import Record
from facecli.sinks.video import CODECS, VideoFileSink

ROW = FrameResult("clip", 64, 48)


def frame(value, shape=(48, 64)):
    """Red, brighter with `value`."""
    picture = np.zeros((*shape, 3), np.uint8)
    picture[..., 0] = value
    return picture


def read_clip(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (grabbed := capture.read())[0]:
        frames.append(grabbed[1])
    return frames, capture.get(cv2.CAP_PROP_FPS)


@pytest.mark.parametrize("suffix", CODECS)
def test_every_offered_container_can_be_read_back_in_true_colours(tmp_path, suffix):
    path = tmp_path / f"drawn{suffix}"
    with VideoFileSink(path, 12.5) as sink:
        for _ in range(10):
            sink.write(Record(ROW, frame(200)))
    frames, fps = read_clip(path)
    assert len(frames) == 10 and fps == pytest.approx(12.5)
    blue, _, red = frames[5].mean(axis=(0, 1))
    assert red > 180 and blue < 40


def test_without_a_frame_the_old_file_stays(tmp_path):
    path = tmp_path / "drawn.mp4"
    path.write_text("old")
    with VideoFileSink(path, 25):
        pass
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_frames_before_an_error_are_kept_and_playable(tmp_path, error):
    path = tmp_path / "drawn.mp4"
    path.write_text("old")
    with pytest.raises(error), VideoFileSink(path, 25) as sink:
        for _ in range(4):
            sink.write(Record(ROW, frame(9)))
        raise error
    assert len(read_clip(path)[0]) == 4
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", CODECS)
def test_a_disk_that_fills_ends_the_video_while_it_can_still_be_closed(tmp_path, monkeypatch, suffix):
    free = iter([10**9] * 3 + [1000])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=next(free)))
    path = tmp_path / f"drawn{suffix}"
    with pytest.raises(OutputError, match="disk is full"), VideoFileSink(path, 10) as sink:
        for _ in range(10):
            sink.write(Record(ROW, frame(200)))
    assert len(read_clip(path)[0]) == 3


def test_frame_of_another_size_is_resized(tmp_path):
    with VideoFileSink(tmp_path / "drawn.avi", 25) as sink:
        sink.write(Record(ROW, frame(9)))
        sink.write(Record(ROW, frame(9, (100, 30))))
    assert [f.shape for f in read_clip(tmp_path / "drawn.avi")[0]] == [(48, 64, 3)] * 2


def test_odd_sizes_are_written(tmp_path):
    with VideoFileSink(tmp_path / "drawn.mp4", 25) as sink:
        sink.write(Record(ROW, frame(9, (47, 63))))
    assert len(read_clip(tmp_path / "drawn.mp4")[0]) == 1


@pytest.mark.parametrize("name", ["drawn", "drawn.txt", "drawn.jpg"])
def test_suffix_without_a_container_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="no video suffix"):
        VideoFileSink(tmp_path / name, 25)


def test_folder_that_cannot_be_made_is_refused_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        VideoFileSink(tmp_path / "file" / "drawn.mp4", 25).__enter__()


def test_file_that_cannot_be_read_back_is_an_error_and_the_old_one_stays(tmp_path):
    path = tmp_path / "drawn.mp4"
    path.write_text("old")
    with pytest.raises(OutputError, match="incomplete"), VideoFileSink(path, 25) as sink:
        sink.write(Record(ROW, frame(9)))
        sink._writer.release()
        sink._pending.temporary.write_bytes(b"\0" * 40)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from facecli.core.faces import FrameResult
from facecli.sinks.base import Record
from facecli.sinks.video import VideoFileSink

sink = VideoFileSink(Path(sys.argv[1]), 25).__enter__()
noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
for number in range(120):
    sink.write(Record(FrameResult("clip", 320, 240), np.roll(noise, number, axis=1)))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_what_is_left_of_a_killed_process_can_be_played(tmp_path, suffix):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / f"drawn{suffix}")], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".drawn-") and left.suffix == suffix
    frames, fps = read_clip(left)
    assert len(frames) > 60 and fps == pytest.approx(25)
