"""Which faces a frame is drawn with, while the analysis is behind or ahead."""

import numpy as np
from stream_fakes import FACE, FakeFollower

from facecli.draw.anonymize import LingeringMask
from facecli.pipeline.playback import CoveredFaces, FollowedFaces
from facecli.pipeline.threads import Analyzed, TimestampedFrame
from facecli.sources.frames import Frame


def shot(number, shape=(8, 8)):
    return TimestampedFrame(Frame(number, number / 10, np.full((*shape, 3), number, np.uint8)), 0.0)


def analyzed(number, faces=(FACE,)):
    return Analyzed(shot(number), faces, faces, 0.0)


def test_nothing_known_nothing_drawn():
    image_rgb, faces = FollowedFaces(FakeFollower()).picture(shot(3))
    assert faces == () and (image_rgb == 3).all()


def test_results_of_later_frames_wait_for_their_moment():
    follower = FakeFollower()
    overlay = FollowedFaces(follower)
    for number in (0, 4, 6):
        overlay.learn(analyzed(number))
    for number in range(6):
        overlay.picture(shot(number))
    assert follower.updates == [0.0, 0.4]


def test_faces_of_another_size_of_picture_are_not_drawn():
    overlay = FollowedFaces(FakeFollower())
    overlay.learn(analyzed(0))
    assert overlay.picture(shot(1))[1] == (FACE,)
    assert overlay.picture(shot(2, (4, 4)))[1] == ()


def test_covered_pictures_are_the_last_analysed_ones():
    overlay = CoveredFaces(LingeringMask(lambda image_rgb, faces: image_rgb + 100))
    assert not overlay.picture(shot(1))[0].any()
    overlay.learn(analyzed(1))
    overlay.learn(analyzed(4))
    shown = [int(overlay.picture(shot(number))[0][0, 0, 0]) for number in range(1, 7)]
    assert shown == [101, 101, 101, 104, 104, 104]


def test_a_picture_that_stays_is_the_same_array():
    overlay = CoveredFaces(LingeringMask(lambda image_rgb, faces: image_rgb + 100))
    overlay.learn(analyzed(0))
    assert overlay.picture(shot(1))[0] is overlay.picture(shot(2))[0]
