import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core import paths
from facecli.data.negatives import (
    FACE_BOX,
    KINDS,
    MOST_FACE,
    draw_texture,
    face_share,
    iter_negatives,
    loose_cascade,
)


def chip(seed=0, side=200):
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def no_boxes(image):
    return np.zeros((0, 4), np.int32)


def test_no_chips_no_crops():
    assert list(iter_negatives([], no_boxes, 32, 1)) == []


def test_crops_have_the_side_and_are_repeatable():
    chips = [chip(seed) for seed in range(12)]
    first = np.stack(list(iter_negatives(chips, no_boxes, 32, 1)))
    assert first.shape == (12, 32, 32, 3) and first.dtype == np.uint8
    assert (first == np.stack(list(iter_negatives(chips, no_boxes, 32, 1)))).all()
    assert (first != np.stack(list(iter_negatives(chips, no_boxes, 32, 2)))).any()


def test_the_detectors_right_answers_are_not_taken():
    face = np.array([[int(200 * edge) for edge in FACE_BOX]])
    chips = [chip(seed) for seed in range(5)]
    assert len(list(iter_negatives(chips, lambda image: face, 32, 1))) == 5


def test_wrong_answers_are_cut_out():
    corner = np.array([[0, 0, 30, 30]])
    white = chip() // 2
    white[:40, :40] = 255
    mined = next(iter_negatives([white], lambda image: corner, 32, 1))
    assert mined.min() > 240


@given(st.floats(-50, 200), st.floats(-50, 200), st.floats(1, 250))
def test_a_share_lies_between_none_and_all(x, y, side):
    assert 0 <= face_share(np.array([x, y, x + side, y + side]), 200, 200) <= 1 + 1e-9


def test_shares():
    assert face_share(np.array([0, 0, 200, 200]), 200, 200) == pytest.approx(1)
    assert face_share(np.array([0, 0, 40, 40]), 200, 200) == 0
    assert 0 < face_share(np.array([90, 90, 110, 110]), 200, 200) < MOST_FACE


@pytest.mark.parametrize("kind", KINDS)
def test_every_texture_can_be_drawn_at_any_size(kind):
    for seed in range(20):
        for side in (16, 33):
            drawn = KINDS[kind](np.random.default_rng(seed), side)
            assert drawn.shape == (side, side, 3)
            assert np.isfinite(drawn).all()


def test_textures_differ():
    random = np.random.default_rng(1)
    first, second = draw_texture(random, 24), draw_texture(random, 24)
    assert first.dtype == np.uint8 and (first != second).any()


def test_the_loose_cascade_answers_in_boxes():
    boxes = loose_cascade(str(paths.find_cascade()))
    assert boxes(np.zeros((60, 60, 3), np.uint8)).shape == (0, 4)
    from skimage.data import astronaut

    found = boxes(np.ascontiguousarray(astronaut()[:260, 100:360]))
    assert len(found) and (found[:, 2:] > found[:, :2]).all()
