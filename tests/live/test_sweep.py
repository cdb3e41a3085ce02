"""Whole frames are searched by turns, where something changed."""

import numpy as np
import pytest

from facecli.detect.haar import HaarOptions
from facecli.live.frames import FrameSignature, PreparedFrame
from facecli.live.search import FrameSearch, score_of

NONE = np.empty((0, 4)), np.empty(0)


class FakeCascade:
    """Notes what it is asked for; finds what it is told."""

    def __init__(self):
        self.shapes, self.sizes, self.found = [], [], NONE

    def find(self, grey, sizes, neighbors):
        self.shapes.append(grey.shape)
        self.sizes.append(sizes)
        return self.found


def look(image):
    return PreparedFrame(image, FrameSignature(image))


def picture(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (9, 16, 3))
    return np.kron(noise, np.ones((40, 40, 1))).astype(np.uint8)


@pytest.fixture
def cascades():
    return FakeCascade(), FakeCascade(), FakeCascade()


def searches(cascades):
    return [len(cascade.shapes) for cascade in cascades]


def test_one_search_a_frame_and_every_cascade_has_its_turn(cascades):
    sweep = FrameSearch(cascades, HaarOptions())
    for step in range(4):
        sweep.find(look(picture(step)), step / 25, [])
        assert sum(searches(cascades)) == step + 1
    assert searches(cascades) == [2, 1, 1]
    assert set(cascades[0].shapes) == {(180, 320), (360, 640)}


def test_a_still_picture_is_searched_once_by_each(cascades):
    sweep = FrameSearch(cascades, HaarOptions())
    for step in range(100):
        sweep.find(look(picture(0)), step / 25, [])
    assert searches(cascades) == [2, 1, 1]


def test_a_changing_picture_is_searched_again_but_not_in_every_frame(cascades):
    sweep = FrameSearch(cascades, HaarOptions())
    for step in range(100):
        sweep.find(look(picture(step)), step / 25, [])
    assert 10 < sum(searches(cascades)) < 40
    sweep.reset()
    sweep.find(look(picture(0)), 4.0, [])
    assert cascades[0].shapes[-1] == (180, 320)


def test_only_what_changed_is_searched_and_faces_are_put_where_they_are(cascades):
    sweep = FrameSearch(cascades, HaarOptions())
    for step in range(8):
        sweep.find(look(picture(0)), step / 25, [])
    changed = picture(0)
    changed[200:280, 400:480] = 255 - changed[200:280, 400:480]
    cascades[0].found = np.array([[10.0, 20, 30, 40]]), np.array([6.0])
    (detection,) = sweep.find(look(changed), 0.4, [])
    height, width = cascades[0].shapes[-1]
    assert height < 90 and width < 160
    left, top = 400 / 640 - 0.08, 200 / 360 - 0.08
    assert detection.xyxy == pytest.approx(
        [left * 640 + 20, top * 360 + 40, left * 640 + 60, top * 360 + 80], abs=8
    )
    assert detection.sure and detection.score == score_of(6)
    assert sweep.find(look(changed), 9.0, [np.array([380.0, 180, 500, 300])]) == []


def test_the_user_says_how_small_faces_may_be(cascades):
    sweep = FrameSearch(cascades, HaarOptions(min_size=100))
    sweep.find(look(picture(0)), 0.0, [])
    assert cascades[0].sizes == [(50, 320, 1.15)]


def test_scores_grow_with_hits():
    scores = [score_of(hits) for hits in range(0, 99, 7)]
    assert scores == sorted(scores) and scores[0] == 0 and scores[-1] < 1
