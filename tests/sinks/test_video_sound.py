"""The sound of a clip goes along: as it is where it can be, in time with the pictures, and nothing else."""

import functools
from fractions import Fraction

import av
import numpy as np
import pytest
from clip_corpus import KINDS

from facecli.sinks.video import VideoFileSink, VideoOptions
from facecli.sources.frames import ClipOptions
from facecli.sources.sound import open_sound
from facecli.sources.video import open_source

BY_NAME = {kind.name: kind for kind in KINDS}
WITH_SOUND = ["h264_mp4_aac", "vp9_webm_opus", "h264_mkv_pcm_longer", "h264_mp4_sound_first"]


def copied(tmp_path, name, suffix, part=None, end_at=None):
    """Writes a clip anew, and gives the path of both; an error after `end_at` frames ends it."""
    kind = BY_NAME[name]
    path, target = tmp_path / f"clip{kind.suffix}", tmp_path / f"drawn{suffix}"
    kind.make(path)
    with open_source(str(path), clip_options=part) as source:
        options = VideoOptions(open_sound=functools.partial(open_sound, source))
        with VideoFileSink(target, source.fps, options) as sink:
            for number, frame in enumerate(source):
                if number == end_at:
                    break
                sink.append(frame.image_rgb, frame.time_s, frame.duration_s)
    return path, target


def heard(path):
    """Codec, first and last moment of the sound in seconds from the first picture."""
    with av.open(str(path)) as container:
        first = next(iter(container.decode(video=0)))
        origin_s = first.time
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        frames = list(container.decode(track))
        ends = frames[-1].time + frames[-1].samples / frames[-1].sample_rate
        return track.codec_context.name, frames[0].time - origin_s, ends - origin_s


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
@pytest.mark.parametrize("name", WITH_SOUND)
def test_sound_is_in_every_container_and_in_time(tmp_path, name, suffix):
    path, target = copied(tmp_path, name, suffix)
    _, first_s, last_s = heard(path)
    codec, new_first_s, new_last_s = heard(target)
    # A packet of sound is 1024 samples long, an encoder begins with one that is silent and fills the last.
    assert new_first_s == pytest.approx(max(0, first_s), abs=0.06)
    assert new_last_s == pytest.approx(last_s, abs=0.13)
    assert codec != "opus" or suffix != ".avi"


@pytest.mark.parametrize(("name", "suffix"), [("h264_mp4_aac", ".mkv"), ("vp9_webm_opus", ".webm")])
def test_sound_that_fits_is_not_encoded_anew(tmp_path, name, suffix):
    path, target = copied(tmp_path, name, suffix)
    packets = []
    for place in (path, target):
        with av.open(str(place)) as container:
            packets.append([bytes(packet) for packet in container.demux(audio=0) if packet.size])
    # What an encoder of sound gives before the first sample is not heard.
    assert packets[1] == packets[0][-len(packets[1]) :]
    assert len(packets[0]) - len(packets[1]) <= 2


def test_a_part_has_its_own_sound(tmp_path):
    _, target = copied(tmp_path, "h264_mp4_aac", ".mp4", ClipOptions(start_s=0.4, end_s=0.6))
    _, first_s, last_s = heard(target)
    assert first_s == pytest.approx(0, abs=0.03) and last_s == pytest.approx(0.2, abs=0.05)


def test_sound_ends_with_the_pictures_when_the_run_is_broken_off(tmp_path):
    _, target = copied(tmp_path, "h264_mkv_pcm_longer", ".mkv", end_at=5)
    assert heard(target)[2] == pytest.approx(5 / 25, abs=0.08)


def test_a_clip_without_sound_has_none(tmp_path):
    _, target = copied(tmp_path, "h264_mp4", ".mp4")
    with av.open(str(target)) as container:
        assert not container.streams.audio
        assert len(container.streams) == 1


@pytest.mark.parametrize("name", ["h264_mkv_cover", "h264_mp4_cover"])
def test_covers_stay_behind(tmp_path, name):
    _, target = copied(tmp_path, name, ".mkv")
    with av.open(str(target)) as container:
        assert [stream.type for stream in container.streams if stream.type != "audio"] == ["video"]


def beeping(path, rate, late_s=0.0, codec="pcm_s16le", length_s=0.5, bit_rate=None):
    """A second of pictures, and a tone of `rate` samples a second that starts late."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=rate)
        sound.layout = "mono"
        if bit_rate is not None:
            sound.codec_context.bit_rate = bit_rate
        for number in range(25):
            made = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 9 * number, np.uint8), format="rgb24")
            container.mux(pictures.encode(made))
        container.mux(pictures.encode(None))
        wave = (20000 * np.sin(np.arange(round(length_s * rate)) / rate * 440 * 2 * np.pi)).astype(np.int16)
        tone = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
        tone.sample_rate, tone.pts, tone.time_base = rate, round(late_s * rate), Fraction(1, rate)
        container.mux(sound.encode(tone))
        container.mux(sound.encode(None))


def copied_from(path, target):
    with open_source(str(path)) as source:
        options = VideoOptions(open_sound=functools.partial(open_sound, source))
        with VideoFileSink(target, source.fps, options) as sink:
            for frame in source:
                sink.append(frame.image_rgb, frame.time_s, frame.duration_s)


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".avi"])
@pytest.mark.parametrize("rate", [4000, 8000, 12345, 192_000])
def test_sound_of_any_rate_goes_along(tmp_path, rate, suffix):
    beeping(tmp_path / "odd.mkv", rate)
    copied_from(tmp_path / "odd.mkv", tmp_path / f"drawn{suffix}")
    _, first_s, last_s = heard(tmp_path / f"drawn{suffix}")
    assert first_s == pytest.approx(0, abs=0.06) and last_s == pytest.approx(0.5, abs=0.3)


@pytest.mark.parametrize(("bit_rate", "most"), [(32_000, 40_000), (192_000, 80_000)])
def test_sound_that_is_encoded_anew_takes_no_more_than_it_did(tmp_path, bit_rate, most):
    beeping(tmp_path / "old.mkv", 48_000, codec="mp2", length_s=4, bit_rate=bit_rate)
    copied_from(tmp_path / "old.mkv", tmp_path / "drawn.mp4")
    with av.open(str(tmp_path / "drawn.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        written = sum(packet.size for packet in container.demux(audio=0))
    assert 8 * written / heard(tmp_path / "drawn.mp4")[2] < most


def test_late_sound_is_late_in_avi_too(tmp_path):
    beeping(tmp_path / "late.mkv", 8000, late_s=0.4)
    copied_from(tmp_path / "late.mkv", tmp_path / "drawn.avi")
    with av.open(str(tmp_path / "drawn.avi")) as container:
        samples = np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)])
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 1000)
    assert loud[0] / 8000 == pytest.approx(0.4, abs=0.01)
    assert len(samples) / 8000 == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("length_s", [0.5, 1.0, 1.7])
def test_sound_of_joined_recordings_stays_with_their_pictures(tmp_path, length_s):
    beeping(tmp_path / "one.ts", 48_000, codec="mp2", length_s=length_s)
    one = (tmp_path / "one.ts").read_bytes()
    (tmp_path / "joined.ts").write_bytes(one * 3)
    copied_from(tmp_path / "joined.ts", tmp_path / "drawn.mkv")
    with av.open(str(tmp_path / "drawn.mkv")) as container:
        loud = np.zeros(6000, bool)
        for frame in container.decode(audio=0):
            samples = np.abs(frame.to_ndarray()).max(axis=0)
            begin = round(frame.time * 1000)
            loud[begin : begin + 24] |= bool(samples.max() > (0.05 if samples.dtype.kind == "f" else 1600))
    for start in range(3):
        heard_ms = np.flatnonzero(loud[1000 * start : 1000 * start + 1000])
        assert heard_ms[0] <= 80 and heard_ms[-1] == pytest.approx(min(1000, 1000 * length_s), abs=90)
