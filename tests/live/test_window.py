"""Squares cut out, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.live.tracking import SearchWindow

places = st.floats(-400, 400)


def test_a_bright_spot_lies_where_it_did():
    grey = np.zeros((100, 160), np.uint8)
    grey[40:60, 90:110] = 255
    window = SearchWindow(grey, (80, 30, 120, 70), 1.5, 90)
    rows, columns = np.nonzero(window.pixels > 127)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((45, 45), abs=1)
    assert window.scale == pytest.approx(60 / 90)


@given(places, places, st.floats(0, 300), st.integers(1, 60), st.integers(1, 60))
def test_any_box_of_any_picture_gives_a_window(left, top, side, height, width):
    grey = np.full((height, width), 7, np.uint8)
    window = SearchWindow(grey, (left, top, left + side, top + side), 1.6, 20)
    assert window.pixels.shape == (20, 20) and (window.pixels == 7).all()
