"""Frames reach every sink in order, and all is closed at the end."""

import pytest

from facecli.errors import SourceError
from facecli.stream.loop import Summary, run_stream
from facecli.stream.sinks import Quit
from facecli.stream.sources import VideoSource


class Recorder:
    """A sink that remembers; it quits at a frame."""

    def __init__(self, wants_drawing=False, quit_at=None):
        self.wants_drawing, self.quit_at = wants_drawing, quit_at
        self.rows, self.drawn = [], []

    def write(self, result, drawn_rgb):
        self.rows.append(result)
        self.drawn.append(drawn_rgb)
        if result.frame == self.quit_at:
            raise Quit


@pytest.fixture
def source(fake_capture, frames):
    return VideoSource("clip.mp4", fake_capture(frames(6)))


def test_every_frame_is_a_row(source, analyzer):
    sink = Recorder()
    assert run_stream(source, analyzer, [sink]) == Summary(6, 6)
    assert [row.frame for row in sink.rows] == list(range(6))
    row = sink.rows[3]
    assert (row.source, row.width, row.height, row.error) == ("clip.mp4", 64, 48, None)
    assert row.time_s == pytest.approx(0.3)


def test_without_sinks_frames_are_counted(source, analyzer):
    assert run_stream(source, analyzer, []).frames == 6


def test_nothing_is_drawn_unless_a_sink_looks(source, analyzer):
    plain = Recorder()
    run_stream(source, analyzer, [plain])
    assert plain.drawn == [None] * 6


def test_drawn_frames_are_annotated(source, analyzer):
    sink = Recorder(wants_drawing=True)
    run_stream(source, analyzer, [Recorder(), sink])
    assert all(drawn.shape == (48, 64, 3) and drawn.any() for drawn in sink.drawn)


def test_quitting_is_no_error_and_earlier_sinks_have_the_frame(source, analyzer):
    first = Recorder()
    assert run_stream(source, analyzer, [first, Recorder(quit_at=2)]).frames == 3
    assert len(first.rows) == 3


def test_lost_source_ends_in_its_error_after_all_rows(fake_capture, frames, analyzer):
    sink = Recorder()
    with pytest.raises(SourceError, match="cut short"):
        run_stream(VideoSource("a.mp4", fake_capture(frames(6), promised=60)), analyzer, [sink])
    assert len(sink.rows) == 6
