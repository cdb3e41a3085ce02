"""Cells of the detector's network and what their numbers mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.crops import (
    STRIDES,
    cell_centres,
    decode_boxes,
    decode_landmarks,
    encode_boxes,
    encode_landmarks,
)


def test_cells_of_all_levels_lie_in_the_picture_the_finest_first():
    centres, strides = cell_centres((128, 64))

    assert len(centres) == len(strides) == sum((128 // s) * (64 // s) for s in STRIDES)
    assert strides.tolist() == sorted(strides.tolist())
    assert centres[0].tolist() == [4.0, 4.0]
    assert centres[1].tolist() == [12.0, 4.0]
    assert (centres < [64, 128]).all()


def test_cells_that_are_shared_cannot_be_changed():
    centres, _ = cell_centres((64, 64))
    with pytest.raises(ValueError, match="read-only"):
        centres[0] = 0


def test_no_cells_decode_to_no_faces():
    none = np.empty((0, 2), np.float32), np.empty(0, np.float32)
    assert decode_boxes(np.empty((0, 4)), *none).shape == (0, 4)
    assert decode_landmarks(np.empty((0, 10)), *none).shape == (0, 5, 2)


@given(st.tuples(*[st.floats(0.1, 12)] * 4), st.tuples(*[st.floats(0, 640)] * 2), st.sampled_from(STRIDES))
def test_boxes_come_back(distances, centre, stride):
    centres, strides = np.array([centre], np.float32), np.array([stride], np.float32)
    left, top, right, bottom = (stride * distance for distance in distances)
    box = np.array([[centre[0] - left, centre[1] - top, centre[0] + right, centre[1] + bottom]])

    back = decode_boxes(encode_boxes(box, centres, strides), centres, strides)

    assert np.allclose(back, box, rtol=1e-3, atol=0.01)


@given(st.lists(st.floats(-100, 700), min_size=10, max_size=10), st.sampled_from(STRIDES))
def test_landmarks_come_back(values, stride):
    points = np.array(values).reshape(1, 5, 2)
    centres, strides = np.array([[320.0, 240.0]]), np.array([float(stride)])
    back = decode_landmarks(encode_landmarks(points, centres, strides), centres, strides)
    assert np.allclose(back, points)
