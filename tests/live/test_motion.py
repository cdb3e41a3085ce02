"""Constant velocity that dies away."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.live.tracking import Motion

BOX = (10.0, 20.0, 50.0, 60.0)


def test_a_box_seen_once_stays():
    assert Motion(BOX, 1.0).at(9.0).tolist() == list(BOX)


def test_a_moving_box_moves_on_and_comes_to_rest():
    motion = Motion(BOX, 0.0)
    for step in range(1, 31):
        motion.observe(np.add(BOX, 4 * step), step / 25)
    assert motion.at(31 / 25) == pytest.approx(np.add(BOX, 124), abs=0.5)
    assert motion.at(99.0) == pytest.approx(motion.at(999.0), abs=0.01)
    assert motion.at(99.0)[0] - motion.xyxy[0] < 40


@given(st.lists(st.tuples(st.floats(-500, 500), st.floats(-0.1, 1)), max_size=9), st.floats(-1, 9))
def test_size_is_that_seen_last_and_nothing_is_infinite(steps, later_s):
    motion, time_s = Motion(BOX, 0.0), 0.0
    for offset, passed_s in steps:
        time_s += passed_s
        motion.observe(np.add(BOX, offset), time_s)
    moved = motion.at(time_s + later_s)
    assert np.isfinite(moved).all()
    assert moved[2:] - moved[:2] == pytest.approx([40, 40])
