"""Faces held by their looks."""

import numpy as np
import pytest

from facecli.live.tracking import Patch

BOX = np.array([60.0, 40, 100, 80])


@pytest.fixture(scope="module")
def picture():
    noise = np.random.default_rng(1).integers(0, 256, (20, 30))
    return np.kron(noise, np.ones((8, 8))).astype(np.uint8)


@pytest.mark.parametrize("step", [(0, 0), (5, 0), (-7, 4), (3, -9)])
def test_what_moved_is_found_where_it_went(picture, step):
    moved = np.roll(picture, step[::-1], axis=(0, 1))
    box, likeness = Patch(picture, BOX).follow(moved, BOX)
    assert box == pytest.approx(BOX + np.tile(step, 2), abs=1.5)
    assert likeness > 0.9


def test_light_does_not_matter(picture):
    assert Patch(picture, BOX).follow(picture // 2 + 20, BOX)[1] > 0.9


def test_what_is_gone_is_not_like_it(picture):
    other = np.random.default_rng(2).integers(0, 256, picture.shape).astype(np.uint8)
    assert Patch(picture, BOX).follow(other, BOX)[1] < 0.5


@pytest.mark.parametrize("flat", [0, 128, 255])
def test_a_flat_picture_is_like_nothing(picture, flat):
    plain = np.full_like(picture, flat)
    assert Patch(picture, BOX).follow(plain, BOX)[1] == 0
    assert Patch(plain, BOX).follow(picture, BOX)[1] == 0
    assert Patch(plain, BOX).follow(plain, BOX)[1] == 0
