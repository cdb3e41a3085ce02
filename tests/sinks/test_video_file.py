"""A written video is playable, whatever happens, or not there at all."""

import contextlib
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from facecli.core.errors import InputError, OutputError, SourceError
from facecli.core.faces import FrameResult
from facecli.sinks import video
from facecli.sinks.base import Record
from facecli.sinks.video import CONTAINERS, QUALITIES, VideoFileSink, VideoOptions, choose_encoder
from facecli.sources.video import open_source


def frame(value, shape=(48, 64)):
    """Red, brighter with `value`."""
    picture = np.zeros((*shape, 3), np.uint8)
    picture[..., 0] = value
    return picture


def record(number, picture, fps=25.0):
    """The frame of that number of a clip with `fps`."""
    height, width = picture.shape[:2]
    return Record(FrameResult("clip", width, height, time_s=number / fps), picture)


def read_clip(path):
    with open_source(str(path)) as source:
        return list(source), source.fps


@pytest.mark.parametrize(
    ("suffix", "codec"), [(suffix, codec) for suffix, codecs in CONTAINERS.items() for codec in codecs]
)
def test_every_offered_container_can_be_read_back_in_true_colours(tmp_path, suffix, codec):
    path = tmp_path / f"drawn{suffix}"
    with VideoFileSink(path, 12.5, VideoOptions(codec)) as sink:
        for number in range(10):
            sink.write(record(number, frame(200), 12.5))
    frames, fps = read_clip(path)
    assert len(frames) == 10 and fps == pytest.approx(12.5)
    red, _, blue = frames[5].image_rgb.mean(axis=(0, 1))
    assert red == pytest.approx(200, abs=12) and blue < 12
    assert [f.time_s for f in frames] == pytest.approx([number / 12.5 for number in range(10)], abs=0.001)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_uneven_times_stay_uneven(tmp_path, suffix):
    times = [0.0, 0.04, 0.5, 0.52, 2.0, 2.04]
    path = tmp_path / f"drawn{suffix}"
    with VideoFileSink(path, 25) as sink:
        for time_s in times:
            # A clip whose clock began at a minute.
            sink.append(frame(9), 60 + time_s, 0.3)
    frames, _ = read_clip(path)
    assert [f.time_s for f in frames] == pytest.approx(times, abs=0.0011)
    with av.open(str(path)) as container:
        assert container.duration / av.time_base == pytest.approx(2.34, abs=0.05)


def test_players_find_what_they_need_at_once(tmp_path):
    with VideoFileSink(tmp_path / "drawn.mp4", 25) as sink:
        for number in range(5):
            sink.write(record(number, frame(9, (47, 63))))
    content = (tmp_path / "drawn.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(tmp_path / "drawn.mp4")) as container:
        track = container.streams.video[0]
        assert (track.codec_context.name, track.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (track.width % 2, track.height % 2) == (0, 0)
        assert not {"title", "location", "comment"} & set(container.metadata)


@pytest.mark.parametrize("quality", QUALITIES[:2])
def test_a_drawn_clip_is_not_much_larger_than_the_clip(tmp_path, quality):
    noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    options = VideoOptions(quality=quality, source_bps=200_000)
    with VideoFileSink(tmp_path / "drawn.mp4", 25, options) as sink:
        for number in range(100):
            sink.write(record(number, np.roll(noise, number, axis=1)))
    assert (tmp_path / "drawn.mp4").stat().st_size * 8 / 4 < 1.6 * 200_000


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is done elsewhere")
@pytest.mark.parametrize("codec", ["av1", "h264"])
def test_no_encoder_takes_the_machine_for_itself(tmp_path, codec):
    """SVT-AV1 makes real-time threads where it may."""

    def scheduled():
        return {name: os.sched_getscheduler(int(name)) for name in os.listdir("/proc/self/task")}

    # What other encoders of this process have left.
    before = scheduled()
    with VideoFileSink(tmp_path / "a.mp4", 25, VideoOptions(codec=codec)) as sink:
        for number in range(3):
            sink.write(record(number, frame(90)))
        new = {name: policy for name, policy in scheduled().items() if policy != before.get(name)}
    assert set(new.values()) <= {os.SCHED_OTHER}


def test_better_quality_is_larger(tmp_path):
    sizes = []
    scene = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8), (9, 9), 0)
    for quality in QUALITIES:
        path = tmp_path / f"{quality}.mp4"
        with VideoFileSink(path, 25, VideoOptions(quality=quality)) as sink:
            for number in range(10):
                sink.write(record(number, np.roll(scene, number, axis=1)))
        sizes.append(path.stat().st_size)
    assert sizes == sorted(set(sizes))


def test_a_codec_that_such_files_do_not_hold_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.webm files do not support h264; they support vp9, av1"):
        choose_encoder(".webm", "h264", print)


def test_without_the_usual_encoder_the_next_best_is_taken_and_told(monkeypatch):
    monkeypatch.setattr(video, "_is_there", lambda name: "264" not in name)
    told = []
    assert choose_encoder(".mp4", None, told.append).name == "libsvtav1"
    assert told == ["nothing here encodes h264; av1 is written, which fewer players know"]
    monkeypatch.setattr(video, "_is_there", lambda name: False)
    with pytest.raises(InputError, match="no encoder for"):
        choose_encoder(".mp4", None, told.append)


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
        for number in range(4):
            sink.write(record(number, frame(9)))
        raise error
    assert len(read_clip(path)[0]) == 4
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_disk_that_fills_ends_the_video_while_it_can_still_be_closed(tmp_path, monkeypatch, suffix):
    free = iter([10**9] * 3 + [1000])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=next(free)))
    path = tmp_path / f"drawn{suffix}"
    with pytest.raises(OutputError, match="disk is full"), VideoFileSink(path, 10) as sink:
        for number in range(10):
            sink.write(record(number, frame(200)))
    assert len(read_clip(path)[0]) == 3


def test_of_a_disk_that_is_full_from_the_start_nothing_is_said_to_be_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with (
        pytest.raises(OutputError, match="the disk is full$"),
        VideoFileSink(tmp_path / "drawn.mp4", 10) as sink,
    ):
        sink.write(record(0, frame(200)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="no such limit there")
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_header_that_cannot_be_written_ends_the_video_and_not_the_process(tmp_path, suffix):
    code = f"""
import resource, signal
import numpy as np
from facecli.core.errors import OutputError
from facecli.core.faces import FrameResult
from facecli.sinks.base import Record
from facecli.sinks.video import VideoFileSink
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    with VideoFileSink({str(tmp_path / f"drawn{suffix}")!r}, 25) as sink:
        for number in range(60):
            picture = np.full((48, 64, 3), number, np.uint8)
            sink.write(Record(FrameResult("clip", 64, 48, time_s=number / 25), picture))
except OutputError:
    raise SystemExit(7)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 7
    assert list(tmp_path.iterdir()) == []


def test_frame_of_another_size_is_resized(tmp_path):
    with VideoFileSink(tmp_path / "drawn.avi", 25) as sink:
        sink.write(record(0, frame(9)))
        sink.write(record(1, frame(9, (100, 30))))
    assert [f.image_rgb.shape for f in read_clip(tmp_path / "drawn.avi")[0]] == [(48, 64, 3)] * 2


def test_odd_sizes_are_written(tmp_path):
    with VideoFileSink(tmp_path / "drawn.mp4", 25) as sink:
        sink.write(record(0, frame(9, (47, 63))))
    assert len(read_clip(tmp_path / "drawn.mp4")[0]) == 1


@pytest.mark.parametrize("name", ["drawn", "drawn.txt", "drawn.jpg"])
def test_suffix_without_a_container_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="no video suffix"):
        VideoFileSink(tmp_path / name, 25)


def test_folder_that_cannot_be_made_is_refused_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        VideoFileSink(tmp_path / "file" / "drawn.mp4", 25).__enter__()


def test_a_file_that_cannot_be_completed_is_an_error_and_the_old_one_stays(tmp_path, monkeypatch):
    path = tmp_path / "drawn.mp4"
    path.write_text("old")

    def full(_):
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="incomplete"), VideoFileSink(path, 25) as sink:
        sink.write(record(0, frame(9)))
        monkeypatch.setattr(sink._encoding, "close", full.__get__(sink._encoding))
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
    row = FrameResult("clip", 320, 240, time_s=number / 25)
    sink.write(Record(row, np.roll(noise, number, axis=1)))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".webm"])
def test_what_is_left_of_a_killed_process_can_be_played(tmp_path, suffix):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / f"drawn{suffix}")], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".drawn-") and left.suffix == suffix
    frames = []
    with contextlib.suppress(SourceError), open_source(str(left)) as source:
        frames.extend(source)
    assert len(frames) > 60 and source.fps == pytest.approx(25)


@pytest.mark.parametrize("kill", ["SIGINT", "SIGTERM"])
def test_who_interrupts_the_end_waits_for_it(tmp_path, monkeypatch, kill):
    path, close = tmp_path / "drawn.mp4", video._Encoding.close

    def interrupted(encoding):
        signal.raise_signal(number_of)
        signal.raise_signal(number_of)
        close(encoding)

    monkeypatch.setattr(video._Encoding, "close", interrupted)
    # Whoever started the tests may ignore them.
    number_of = getattr(signal, kill)
    before = signal.signal(number_of, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), VideoFileSink(path, 25) as sink:
            for number in range(4):
                sink.write(record(number, frame(9)))
    finally:
        signal.signal(number_of, before)
    assert len(read_clip(path)[0]) == 4
    assert list(tmp_path.iterdir()) == [path]


def interrupt(*_):
    raise KeyboardInterrupt


def test_an_interruption_between_two_frames_doubles_none(tmp_path, monkeypatch):
    path, mux = tmp_path / "drawn.mp4", video._Encoding._mux
    with VideoFileSink(path, 25) as sink:
        for number in range(3):
            sink.write(record(number, frame(9)))
        monkeypatch.setattr(video._Encoding, "_mux", interrupt)
        with pytest.raises(KeyboardInterrupt):
            sink.write(record(3, frame(9)))
        monkeypatch.setattr(video._Encoding, "_mux", mux)
    times = [f.time_s for f in read_clip(path)[0]]
    assert times == pytest.approx([n / 25 for n in range(len(times))], abs=0.001)


def test_an_interruption_before_the_first_frame_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "drawn.mp4"
    path.write_text("old")
    monkeypatch.setattr(video._Encoding, "_made", interrupt)
    with pytest.raises(KeyboardInterrupt), VideoFileSink(path, 25) as sink:
        sink.write(record(0, frame(9)))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("fps", [1, 30000 / 1001, 240, 500, 1000])
def test_every_rate_is_kept_in_avi(tmp_path, fps):
    with VideoFileSink(tmp_path / "drawn.avi", fps) as sink:
        for number in range(10):
            sink.write(record(number, frame(9), fps))
    frames, found = read_clip(tmp_path / "drawn.avi")
    assert found == pytest.approx(fps) and frames[-1].time_s == pytest.approx(9 / fps, abs=0.001)
