"""Frames in time, videos in real time, rates as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_fakes import FakeTime

from facecli.pipeline.clock import FrameRateEstimate, Pacer, RateMeter


def test_first_frame_is_due_at_once_whatever_its_time():
    assert Pacer(FakeTime().clock.now).due_in(7.0) == 0


def test_frames_are_due_at_their_distance():
    time = FakeTime()
    pacer = Pacer(time.clock.now)
    pacer.due_in(0)
    time.sleep(0.01)
    assert pacer.due_in(0.04) == pytest.approx(0.03)


def test_who_is_far_behind_goes_on_at_the_right_rate():
    time = FakeTime()
    pacer = Pacer(time.clock.now)
    pacer.due_in(0)
    time.sleep(5)
    assert pacer.due_in(0.04) < 0
    assert pacer.due_in(0.08) == pytest.approx(0.04)


def test_a_hiccup_is_made_up_for():
    time = FakeTime()
    pacer = Pacer(time.clock.now)
    pacer.due_in(0)
    time.sleep(0.1)
    assert pacer.due_in(0.04) == pytest.approx(-0.06)
    assert pacer.due_in(0.20) == pytest.approx(0.10)


def test_after_a_pause_the_next_frame_is_due_at_once():
    time = FakeTime()
    pacer = Pacer(time.clock.now)
    pacer.due_in(0)
    time.sleep(60)
    pacer.restart()
    assert pacer.due_in(0.04) == 0


@given(st.lists(st.floats(0.001, 0.9), min_size=1, max_size=60), st.sampled_from([5.0, 15.0, 25.0, 30.0]))
def test_video_of_a_camera_lasts_as_long_as_it_was_filmed(gaps, fps):
    cadence, time_s = FrameRateEstimate(fps), 3.0
    written = cadence.copies(time_s)
    assert written == 1
    for gap in gaps:
        time_s += gap
        written += cadence.copies(time_s)
    assert abs(written - 1 - (time_s - 3.0) * fps) <= 0.5 + 1e-6


def test_a_steady_camera_is_written_frame_by_frame():
    cadence = FrameRateEstimate(30)
    assert [cadence.copies(index / 30 + 0.004 * (index % 2)) for index in range(90)] == [1] * 90


def test_a_long_gap_is_left_out():
    cadence = FrameRateEstimate(10)
    assert [cadence.copies(time_s) for time_s in (0, 0.1, 60.1, 60.2, 60.3)] == [1, 1, 1, 1, 1]


def test_after_a_pause_nothing_is_filled():
    cadence = FrameRateEstimate(10)
    cadence.copies(0)
    cadence.restart()
    assert [cadence.copies(time_s) for time_s in (0.8, 0.9)] == [1, 1]


def test_rate():
    time = FakeTime()
    meter = RateMeter(time.clock.now)
    assert meter.rate() == 0
    meter.mark()
    assert meter.rate() == 0
    for _ in range(100):
        time.sleep(0.05)
        meter.mark()
    assert meter.rate() == pytest.approx(20)
    time.sleep(3)
    assert meter.rate() == 0
