"""Faces between two analyses."""

from dataclasses import replace

import pytest

from facecli.core.faces import Face
from facecli.live.tracking import EXPIRES_S, BoxFollower

FACE = Face((100, 50, 140, 90), 0.9, 30.0, (20, 40), track=1)


def moved(face, step):
    return replace(face, box_xyxy=tuple(value + step for value in face.box_xyxy))


def test_nobody_before_the_first_analysis():
    assert BoxFollower().at(0.0) == []


def test_a_face_is_where_it_was_seen_and_says_the_same():
    follower = BoxFollower()
    follower.update([FACE], 2.0)
    assert follower.at(2.0) == follower.at(2.3) == [FACE]


def test_a_moving_face_moves_on():
    follower = BoxFollower()
    for step in range(20):
        follower.update([moved(FACE, 5 * step)], step * 0.1)
    (face,) = follower.at(1.95)
    assert face.box_xyxy[0] == pytest.approx(100 + 5 * 19 + 2.5, abs=1)
    assert replace(face, box_xyxy=FACE.box_xyxy) == FACE


def test_who_is_missing_has_gone_and_who_is_old_expires():
    follower = BoxFollower()
    follower.update([FACE, replace(FACE, track=2)], 1.0)
    follower.update([FACE], 1.1)
    assert [face.track for face in follower.at(1.1)] == [1]
    assert len(follower.at(1.1 + EXPIRES_S)) == 1
    assert follower.at(1.101 + EXPIRES_S) == []
    follower.update([], 1.2)
    assert follower.at(1.2) == []


def test_a_face_without_a_track_stays_and_a_file_may_be_wound_back():
    follower = BoxFollower()
    lone = replace(FACE, track=None)
    for time_s, step in ((5.0, 0), (5.1, 30), (0.0, 60)):
        follower.update([moved(FACE, step), lone], time_s)
    assert follower.at(0.1) == [moved(FACE, 60), lone]
