"""Frames in time, videos in real time, rates as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_fakes import FakeTime

from facecli.pipeline.playback import Pacer, RateMeter, RecordingClock


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
def test_recording_of_a_camera_lasts_as_long_as_it_was_filmed(gaps, fps):
    clock, time_s = RecordingClock(fps), 3.0
    assert clock.time_s(time_s) == 0
    for gap in gaps:
        time_s += gap
        recorded_s = clock.time_s(time_s)
    assert recorded_s == pytest.approx(time_s - 3.0)


def test_a_long_gap_is_left_out():
    clock = RecordingClock(10)
    assert [clock.time_s(time_s) for time_s in (0, 0.1, 60.1, 60.2, 60.3)] == pytest.approx(
        [0, 0.1, 0.2, 0.3, 0.4]
    )


def test_a_pause_is_left_out():
    clock = RecordingClock(10)
    clock.restart()
    assert clock.time_s(5) == 0
    clock.restart()
    assert [clock.time_s(time_s) for time_s in (5.8, 5.9)] == pytest.approx([0.1, 0.2])


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
