"""Corners, clipping, order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.crops import boxes_from_xywh, from_left_to_right

sizes = st.integers(1, 2000)
numbers = st.floats(-3000, 3000, allow_nan=False)


def test_no_boxes_stay_no_boxes():
    xyxy = boxes_from_xywh(np.empty((0, 4)), (10, 10))
    assert xyxy.shape == (0, 4)
    assert xyxy.dtype == np.int32


def test_box_over_the_border_is_clipped():
    assert boxes_from_xywh([[-5, 2, 20, 30]], (10, 20)).tolist() == [[0, 2, 10, 20]]


@given(numbers, numbers, st.floats(0, 3000), st.floats(0, 3000), sizes, sizes)
def test_every_box_lies_inside_and_is_not_empty(left, top, box_width, box_height, width, height):
    x_min, y_min, x_max, y_max = boxes_from_xywh([[left, top, box_width, box_height]], (width, height))[0]
    assert 0 <= x_min < x_max <= width
    assert 0 <= y_min < y_max <= height


def test_boxes_and_scores_are_ordered_together():
    xyxy, scores = from_left_to_right(
        np.array([[5, 0, 6, 1], [1, 9, 2, 10], [1, 0, 2, 1]]), np.array([0.1, 0.2, 0.3])
    )
    assert xyxy[:, 0].tolist() == [1, 1, 5]
    assert scores.tolist() == [0.3, 0.2, 0.1]
