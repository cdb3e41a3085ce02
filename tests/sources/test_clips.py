"""Clips of all kinds are read to the frame, at their times, as a player shows them."""

import os
import threading
from pathlib import Path

import av
import av.error
import numpy as np
import pytest
from clip_corpus import BAD, KINDS, ClipTruth, number_in

from facecli.core.errors import FacecliError, InputError, SourceError
from facecli.sinks.video import VideoFileSink
from facecli.sources import clip as reader
from facecli.sources.filters import PictureMaker
from facecli.sources.frames import ClipOptions, SteadyClock
from facecli.sources.video import open_source

BY_NAME = {kind.name: kind for kind in KINDS}
CORNERS = {0: (0, 0), 90: (0, -1), 180: (-1, -1), 270: (-1, 0)}
"""Turn in degrees clockwise -> where the corner is that is white when nothing is turned."""


def read(path, options=None):
    """The frames of a clip, and the error that ended it, if there was one."""
    frames = []
    try:
        with open_source(str(path), clip_options=options) as source:
            frames.extend(source)
    except FacecliError as error:
        return frames, error
    return frames, None


@pytest.fixture
def clip(tmp_path):
    """Writes a clip of the corpus and gives its path and truth."""

    def write(name) -> tuple:
        kind = BY_NAME[name]
        path = tmp_path / f"2024-01-01T12:30:00 ü{kind.suffix}"
        return path, kind.make(path)

    return write


@pytest.mark.parametrize("name", BY_NAME)
def test_every_kind_is_read_to_the_frame(clip, name):
    path, truth = clip(name)
    frames, error = read(path)
    assert truth.at_least or truth.frames <= len(frames) <= truth.frames
    assert (error is None) == truth.whole, error
    if not truth.whole:
        assert isinstance(error, SourceError) and "cut short" in str(error)
    if len(frames) == truth.frames:
        check_times(frames, truth)
    assert {frame.image_rgb.shape for frame in frames} == {(truth.size_wh[1], truth.size_wh[0], 3)}
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})


def check_times(frames, truth: ClipTruth):
    found = [frame.time_s for frame in frames]
    assert found == pytest.approx(list(truth.times_s), abs=0.001)
    numbers = [number_in(frame.image_rgb[:, :, 1]) for frame in frames]
    assert not truth.numbers or numbers == list(truth.numbers)


@pytest.mark.parametrize("name", [name for name in BY_NAME if "rotated" in name])
def test_turned_clips_stand_upright(clip, name):
    path, truth = clip(name)
    frames, _ = read(path)
    row, column = CORNERS[truth.turn]
    inside = 3
    for corner in CORNERS.values():
        place = [inside if side == 0 else -1 - inside for side in corner]
        is_white = frames[0].image_rgb[place[0], place[1]].min() > 200
        assert is_white == (corner == (row, column))


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_what_is_no_clip_is_one_line(tmp_path, bad):
    path = tmp_path / f"bad{bad.suffix}"
    bad.make(path)
    frames, error = read(path)
    assert not frames and isinstance(error, InputError | SourceError)
    assert path.name in str(error) and "\n" not in str(error)


def test_a_picture_is_sent_to_the_other_option(tmp_path):
    (bad,) = (bad for bad in BAD if bad.name == "png")
    bad.make(tmp_path / "photo.mp4")
    with pytest.raises(InputError, match="is a picture, despite its name") as raised:
        open_source(str(tmp_path / "photo.mp4"))
    assert raised.value.hint == "use --img"


def test_nothing_is_lost_of_a_pipe(clip, tmp_path):
    path, truth = clip("h264_mkv")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
    writer.start()
    frames, error = read(pipe)
    writer.join()
    assert error is None and len(frames) == truth.frames


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (ClipOptions(start_s=0.4), range(10, 20)),
        (ClipOptions(end_s=0.4), range(10)),
        (ClipOptions(start_s=0.2, end_s=0.4), range(5, 10)),
        (ClipOptions(every=7), (0, 7, 14)),
        (ClipOptions(rate=5), (0, 5, 10, 15)),
        (ClipOptions(rate=1000), range(20)),
        (ClipOptions(start_s=0.4, every=4), (10, 14, 18)),
    ],
)
@pytest.mark.parametrize("name", ["h264_mp4", "h264_mkv_at_one_hour", "vp9_webm", "mpeg4_avi", "gif"])
def test_a_part_of_a_clip_keeps_its_times(clip, name, options, numbers):
    path, truth = clip(name)
    frames, error = read(path, options)
    assert error is None
    assert [number_in(frame.image_rgb[:, :, 1]) for frame in frames] == [truth.numbers[i] for i in numbers]
    assert [frame.time_s for frame in frames] == pytest.approx([truth.times_s[i] for i in numbers], abs=0.001)
    assert [frame.index for frame in frames] == list(numbers)


def test_a_part_beyond_the_end_is_refused(clip):
    path, _ = clip("h264_mp4")
    frames, error = read(path, ClipOptions(start_s=60))
    assert not frames and isinstance(error, InputError) and "it is shorter" in str(error)


def test_a_device_that_is_not_there_is_named(clip):
    path, _ = clip("h264_mp4")
    _, error = read(path, ClipOptions(hwaccel="abacus"))
    assert isinstance(error, InputError) and "abacus is not a hardware decoder" in str(error)


@pytest.mark.parametrize("seeks", [False, True])
@pytest.mark.parametrize("name", [kind.name for kind in KINDS if kind.name != "h264_mp4_one_frame"])
def test_a_part_is_the_end_of_the_whole(clip, name, seeks, monkeypatch):
    if seeks:
        monkeypatch.setattr(reader, "_SEEK_FROM_S", 0.0)
    path, _ = clip(name)
    whole, _ = read(path)
    for start_s in (0.16, whole[-1].time_s):
        part, _ = read(path, ClipOptions(start_s=start_s))
        expected = [frame for frame in whole if frame.time_s >= start_s - 0.0005]
        times = [frame.time_s for frame in expected]
        assert [frame.time_s for frame in part] == pytest.approx(times, abs=0.002)
        for one, other in zip(part, expected, strict=True):
            assert np.abs(one.image_rgb.astype(int) - other.image_rgb).mean() < 3


def test_a_part_of_a_pipe_is_a_part(clip, tmp_path):
    path, _ = clip("h264_mkv")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
    writer.start()
    frames, error = read(pipe, ClipOptions(start_s=0.4, end_s=0.6))
    writer.join()
    assert error is None and [frame.index for frame in frames] == [10, 11, 12, 13, 14]


def test_a_source_is_read_once(clip):
    path, _ = clip("h264_mp4")
    with open_source(str(path)) as source:
        list(source)
        with pytest.raises(SourceError, match="open it again"):
            next(iter(source))
    assert source.has_sound is False


@pytest.mark.parametrize("options", [ClipOptions(every=0), ClipOptions(start_s=1e30), ClipOptions(end_s=0)])
def test_odd_parts_are_no_other_error(clip, options):
    path, _ = clip("h264_mp4")
    frames, error = read(path, options)
    assert len(frames) == 20 or isinstance(error, InputError)


def test_joined_recordings_tell_by_how_much_their_stamps_are_moved():
    clock = SteadyClock(0.04)
    times = [clock.time_s(stamp) for stamp in (5.0, 5.04, 5.08, 1.0, 1.04, 7.0, 3.0)]
    assert times == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 6.12, 6.16])
    assert clock.joins == [pytest.approx((0.12, -0.88)), pytest.approx((6.16, 3.16))]


def test_a_device_that_does_not_decode_is_replaced_by_the_processor(clip):
    path, _ = clip("h264_mp4")
    devices = [name for name in reader.hwdevices_available() if name in ("cuda", "vaapi")]
    if not devices:
        pytest.skip("this FFmpeg knows no device")
    frames, error = read(path, ClipOptions(hwaccel=devices[0]))
    assert error is None and len(frames) == 20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_reading_and_writing_keep_nothing(tmp_path):
    path = tmp_path / "clip.mp4"

    def once(count):
        with VideoFileSink(path, 25) as sink:
            for number in range(count):
                sink.append(np.full((360, 640, 3), 9 * number, np.uint8), number / 25)
        with open_source(str(path)) as source:
            return sum(1 for _ in source)

    def resident_mb():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    for _ in range(5):
        once(4)
    before = resident_mb()
    for _ in range(60):
        assert once(4) == 4
    # A frame is 0.35 MB as it is stored: one that is kept each time would be 20.
    assert resident_mb() - before < 10


class SpoiledPacket:
    """One that asks for what FFmpeg does not know."""

    is_corrupt = False

    def decode(self):
        raise av.error.PatchWelcomeError(1, "not yet")


def test_what_no_decoder_knows_is_a_broken_frame(clip, monkeypatch):
    path, truth = clip("h264_mp4")
    whole, _ = read(path)
    packets = reader.ClipSource._packets

    def spoiled(self):
        yield SpoiledPacket()
        yield from packets(self)

    monkeypatch.setattr(reader.ClipSource, "_packets", spoiled)
    with open_source(str(path)) as source:
        frames = list(source)
        assert source.broken == 1
    assert len(frames) == len(whole) == truth.frames


def test_what_no_filter_bears_is_a_broken_frame(clip, monkeypatch):
    path, truth = clip("h264_mp4")
    push, seen = PictureMaker.push, []

    def unbearable(self, frame):
        seen.append(frame)
        if len(seen) == 3:
            raise av.error.BugError(1, "no")
        return push(self, frame)

    monkeypatch.setattr(PictureMaker, "push", unbearable)
    with open_source(str(path)) as source:
        assert len(list(source)) == truth.frames - 1 and source.broken == 1
