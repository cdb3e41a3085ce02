"""The coarse search: the faces of the dense one, inside the picture, whatever its shape."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.paths import find_cascade
from facecli.detect.haar import load_cascade, search_coarse_to_fine


@pytest.fixture(scope="module")
def cascade():
    return load_cascade(find_cascade())[0]


@pytest.mark.parametrize("shape", [(1, 1), (19, 19), (20, 20), (1, 500), (500, 1), (48, 64)])
def test_nothing_in_a_plain_or_small_picture(cascade, shape):
    boxes, weights = search_coarse_to_fine(cascade, np.full(shape, 90, np.uint8), 30, 1.15, 5)
    assert boxes.shape == (0, 4) and weights.shape == (0,)


@pytest.mark.parametrize("scale", [0.35, 0.5, 0.8, 1.0, 1.3, 2.0])
def test_a_face_of_any_size_is_found_once_where_the_dense_search_finds_it(cascade, astronaut, scale):
    grey = cv2.resize(cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY), None, fx=scale, fy=scale)
    dense = cascade.detectMultiScale(grey, 1.15, 5, minSize=(30, 30))
    boxes, weights = search_coarse_to_fine(cascade, grey, 30, 1.15, 5)
    assert len(boxes) == len(dense) == 1 and len(weights) == 1
    assert np.abs(boxes[0] - dense[0]).max() < 0.08 * dense[0][2]


def test_faces_side_by_side_are_all_found(cascade, astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    small = np.zeros_like(grey)
    small[:256, :256] = cv2.resize(grey, (256, 256))
    boxes, _ = search_coarse_to_fine(cascade, np.hstack([grey, grey[:, ::-1], small]), 30, 1.15, 5)
    assert len(boxes) == 3


@pytest.mark.parametrize("smallest, count", [(1, 1), (60, 1), (200, 0), (10_000, 0)])
def test_smaller_faces_than_asked_for_are_left_out(cascade, astronaut, smallest, count):
    boxes, _ = search_coarse_to_fine(cascade, cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY), smallest, 1.15, 5)
    assert len(boxes) == count and all(boxes[:, 2] >= smallest)


def test_more_neighbours_give_no_more_faces(cascade, astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    counts = [
        len(search_coarse_to_fine(cascade, grey, 30, 1.1, neighbors)[0]) for neighbors in (0, 1, 3, 8, 1000)
    ]
    assert counts == sorted(counts, reverse=True) and counts[0] >= 1 and counts[-1] == 0


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1), st.sampled_from([1.05, 1.15, 2.0]))
def test_boxes_lie_in_the_picture_and_are_alike_in_every_search(height, width, seed, step):
    cascade = load_cascade(find_cascade())[0]
    grey = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    boxes, weights = search_coarse_to_fine(cascade, grey, 20, step, 1)
    again, _ = search_coarse_to_fine(cascade, grey, 20, step, 1)
    assert (boxes == again).all() and len(boxes) == len(weights)
    assert (boxes[:, :2] >= 0).all() and (boxes[:, :2] + boxes[:, 2:] <= (width, height)).all()
