"""Which way heads are turned: rules that hold for any five landmarks, and a head of wire."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.crops import CHIP_LANDMARKS, MIRRORED_LANDMARKS
from facecli.core.faces import NOSE_AT, NOSE_DEPTH, face_quality, head_pose

WIRE = np.array([(-0.5, 0, 0), (0.5, 0, 0), (0, NOSE_AT, -NOSE_DEPTH), (-0.4, 1, 0), (0.4, 1, 0)])
"""Eyes, nose and mouth; x to the viewer's right, y down, z away from the viewer."""
angles = st.floats(-30, 30)


def turned(roll=0.0, yaw=0.0, pitch=0.0):
    """(5, 2) of the head of wire, turned and seen from afar."""
    up, side, plane = (math.radians(angle) for angle in (pitch, yaw, roll))
    nod = np.array([(1, 0, 0), (0, math.cos(up), math.sin(up)), (0, -math.sin(up), math.cos(up))])
    shake = np.array([(math.cos(side), 0, -math.sin(side)), (0, 1, 0), (math.sin(side), 0, math.cos(side))])
    tilt = np.array([(math.cos(plane), -math.sin(plane)), (math.sin(plane), math.cos(plane))])
    return (WIRE @ nod.T @ shake.T)[:, :2] @ tilt.T * 40 + 100


def test_the_faces_of_chips_are_about_upright():
    assert head_pose(CHIP_LANDMARKS * 200) == pytest.approx((0, 0, 0), abs=8)


@given(angles, angles)
def test_a_head_of_wire_is_turned_as_it_was_turned(yaw, pitch):
    assert head_pose(turned(yaw=yaw)) == pytest.approx((0, yaw, 0), abs=0.5)
    assert head_pose(turned(pitch=pitch)) == pytest.approx((0, 0, pitch), abs=3)
    both = head_pose(turned(yaw=yaw, pitch=pitch))
    assert both.yaw == pytest.approx(yaw, abs=12) and both.pitch == pytest.approx(pitch, abs=12)


@given(st.floats(-179, 179), angles, st.floats(0.1, 50), st.floats(-500, 500))
def test_size_and_place_say_nothing_and_turning_the_picture_is_roll(roll, yaw, size, place):
    plain, found = head_pose(turned(yaw=yaw)), head_pose(turned(roll, yaw) * size + place)
    assert found.yaw == pytest.approx(plain.yaw, abs=0.1)
    assert found.pitch == pytest.approx(plain.pitch, abs=0.1)
    assert (found.roll - plain.roll - roll + 180) % 360 - 180 == pytest.approx(0, abs=0.1)


@given(st.floats(-170, 170), angles, angles)
def test_a_mirror_image_is_turned_the_other_way(roll, yaw, pitch):
    points = turned(roll, yaw, pitch)
    mirrored = points[list(MIRRORED_LANDMARKS)] * (-1, 1) + (300, 0)
    one, other = head_pose(points), head_pose(mirrored)
    assert other == pytest.approx((-one.roll, -one.yaw, one.pitch), abs=1e-6)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), 7.0), np.eye(5)[:, :2]])
def test_any_points_have_a_pose(points):
    assert all(math.isfinite(angle) for angle in head_pose(points))
    assert 0 <= face_quality(points, 0.1) <= 1


@given(st.floats(0, 3), st.floats(0, 3), st.floats(0.2, 20))
def test_quality_falls_with_the_error_and_grows_with_the_face(error, more, size):
    points = turned() * size
    assert 0 <= face_quality(points, error + more) <= face_quality(points, error) <= 1
    assert face_quality(points, error) <= face_quality(points * 2, error)
