"""Numbers of people: kept, given once, ended."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facecli.live.tracking import LOST_S, UNSEEN_S, Tracker

A, B = (10.0, 10, 50, 50), (200.0, 10, 240, 50)


def numbers(tracker, boxes, time_s):
    return [track.number for track in tracker.update(np.array(boxes).reshape(-1, 4), time_s)]


def test_nobody():
    assert numbers(Tracker(), [], 0.0) == []
    assert Tracker().expected(1.0).shape == (0, 4)


def test_numbers_begin_at_one_and_stay_whatever_the_order():
    tracker = Tracker()
    assert numbers(tracker, [A, B], 0.0) == [1, 2]
    assert numbers(tracker, [B, A], 0.1) == [2, 1]
    assert numbers(tracker, [np.add(B, 6), np.add(A, 6), (400, 10, 440, 50)], 0.2) == [2, 1, 3]


def test_who_is_away_for_too_long_comes_back_as_somebody_new():
    tracker = Tracker()
    numbers(tracker, [A], 0.0)
    assert numbers(tracker, [], 0.3) == []
    assert numbers(tracker, [A], LOST_S) == [1]
    assert numbers(tracker, [], LOST_S + 0.1) == []
    assert numbers(tracker, [A], 2 * LOST_S + 0.01) == [2]


def test_a_machine_that_looks_once_a_second_loses_nobody_in_between():
    tracker = Tracker()
    assert {*sum((numbers(tracker, [A], float(second)) for second in range(5)), [])} == {1}
    assert numbers(tracker, [A], 4 + UNSEEN_S + 0.01) == [2]


def test_two_who_cross_keep_their_numbers():
    tracker = Tracker()
    for step in range(41):
        first, second = (10.0 + 8 * step, 50, 50 + 8 * step, 90), (330.0 - 8 * step, 62, 370 - 8 * step, 102)
        assert numbers(tracker, [first, second], step / 25) == [1, 2]


def test_a_face_that_jumps_or_is_twice_as_large_is_another():
    tracker = Tracker()
    numbers(tracker, [A], 0.0)
    assert numbers(tracker, [np.add(A, 45)], 0.04) == [2]
    assert numbers(Tracker(), [A], 0.0) == [1]
    tracker = Tracker()
    numbers(tracker, [A], 0.0)
    assert numbers(tracker, [(0, 0, 90, 90)], 0.04) == [2]


def test_ended_tracks_are_not_taken_up_again():
    tracker = Tracker()
    (track,) = tracker.update(np.array([A]), 0.0)
    tracker.end(track)
    assert numbers(tracker, [A], 0.1) == [2]
    tracker.end_all()
    assert numbers(tracker, [A], 0.2) == [3]


def test_boxes_are_steadied():
    tracker = Tracker()
    for step in range(20):
        (track,) = tracker.update(np.add(A, 4 * (-1) ** step).reshape(1, 4), step / 25)
    assert abs(track.motion.xyxy[0] - A[0]) < 4


corners = st.tuples(st.integers(0, 300), st.integers(0, 200), st.integers(5, 90))
frames = st.lists(st.lists(corners, max_size=5), max_size=8)


@given(frames)
def test_the_same_frames_give_the_same_numbers_and_no_number_twice_in_a_frame(frames):
    one, other = Tracker(), Tracker()
    for step, boxes in enumerate(frames):
        xyxy = [(x, y, x + side, y + side) for x, y, side in boxes]
        given_numbers = numbers(one, xyxy, step / 10)
        assert given_numbers == numbers(other, xyxy, step / 10)
        assert len(set(given_numbers)) == len(xyxy)
