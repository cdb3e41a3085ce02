"""A lost stream is opened again, a bounded number of times, and says so."""

import pytest

from facecli.core.errors import SourceError
from facecli.sources.capture import CaptureSource
from facecli.sources.video import BACK_OFF_S, ReconnectingSource


@pytest.fixture
def stream(fake_capture, frames):
    """Builds a reconnecting source that opens captures of so many frames; None cannot be opened."""

    class Stream:
        def __init__(self, *counts):
            self.counts, self.said, self.waited, self.captures = list(counts), [], 0.0, []
            self.source = ReconnectingSource(self.reopen, self.said.append, self.wait)

        def reopen(self):
            count = self.counts.pop(0) if self.counts else None
            if count is None:
                raise SourceError("cannot be opened")
            self.captures.append(fake_capture(frames(count), promised=0))
            return CaptureSource("0", self.captures[-1])

        def wait(self, seconds):
            self.waited += seconds

    return Stream


def test_first_opening_is_not_tried_again(stream):
    with pytest.raises(SourceError, match="cannot be opened"):
        stream(None)


def test_frames_and_seconds_count_on_after_a_gap(stream):
    lost = stream(3, None, None, 2)
    found = []
    with pytest.raises(SourceError, match="did not come back after 5 attempts"):
        found.extend(lost.source)
    assert [frame.index for frame in found] == [0, 1, 2, 3, 4]
    assert sorted(frame.time_s for frame in found) == [frame.time_s for frame in found]
    assert [frame.image_rgb[0, 0, 2] for frame in found] == [0, 1, 2, 0, 1]


def test_every_try_is_announced_and_waits_longer(stream):
    lost = stream(1)
    with pytest.raises(SourceError):
        list(lost.source)
    assert lost.said[0] == "camera 0 was lost; trying again in 1 s (try 1 of 5)"
    assert len(lost.said) == len(BACK_OFF_S)
    assert lost.waited == pytest.approx(sum(BACK_OFF_S))


def test_source_that_opens_and_gives_nothing_is_given_up(stream):
    dead = stream(1, *[0] * 50)
    with pytest.raises(SourceError):
        list(dead.source)
    assert len(dead.said) == len(BACK_OFF_S)


def test_a_frame_makes_all_tries_new(stream):
    shaky = stream(*[1] * 20)
    found = []
    with pytest.raises(SourceError):
        found.extend(shaky.source)
    assert len(found) == 20


def test_closing_ends_the_tries_and_releases(stream):
    lost = stream(1, 1)
    lost.wait = lambda seconds: lost.source.__exit__()
    lost.source._wait = lost.wait
    assert len(list(lost.source)) <= 2
    assert all(capture.released for capture in lost.captures)


def test_it_looks_like_the_source_it_holds(stream):
    source = stream(1).source
    assert (source.name, source.live, source.promised, source.fps) == ("camera 0", True, 0, 10)
    # What the window and the sound of a drawn video ask of any open source.
    assert (source.spec, source.has_sound, source.bits_per_s) == ("0", False, 0)
    assert source.stall_s > sum(BACK_OFF_S)


def test_what_was_lost_is_released_before_it_is_opened_again(stream):
    lost = stream(1, 1)
    with pytest.raises(SourceError):
        list(lost.source)
    assert [capture.released for capture in lost.captures] == [True, True]
    seen = []
    again = stream(1, 1)
    reopen = again.reopen

    def checked():
        seen.append([capture.released for capture in again.captures])
        return reopen()

    again.source._reopen = checked
    with pytest.raises(SourceError):
        list(again.source)
    assert seen[0] == [True]
