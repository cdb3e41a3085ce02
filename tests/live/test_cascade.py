"""Cascades and the search around a known face."""

import cv2
import numpy as np
import pytest

from facecli.core.crops import overlaps
from facecli.core.errors import CheckpointError
from facecli.core.paths import find_cascade
from facecli.live.local_search import find_nearby
from facecli.live.search import FRONTAL_FILE, PROFILE_FILE, Cascade, Sizes

FACE = np.array([[177.0, 69, 272, 164]])
SIZES = Sizes(60, 200, 1.1)


@pytest.fixture(scope="module")
def frontal():
    return Cascade(find_cascade(FRONTAL_FILE))


@pytest.fixture(scope="module")
def profiles():
    path = find_cascade(PROFILE_FILE)
    return Cascade(path, profile=True), Cascade(path, profile=True, mirrored=True)


@pytest.fixture(scope="module")
def grey(astronaut):
    return cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)


def test_an_empty_picture_gives_no_box(frontal, profiles):
    for cascade in (frontal, *profiles):
        boxes, hits = cascade.find(np.zeros((90, 120), np.uint8), SIZES, 1)
        assert boxes.shape == (0, 4) and hits.shape == (0,)


def test_pictures_smaller_than_a_face_give_no_box(frontal):
    assert len(frontal.find(np.zeros((1, 700), np.uint8), SIZES, 1)[0]) == 0


def test_a_face_is_found_with_its_hits(frontal, grey):
    boxes, hits = frontal.find(grey, SIZES, 3)
    assert len(boxes) == 1 and hits[0] >= 3
    assert overlaps(boxes, FACE)[0, 0] > 0.6


def test_the_two_profiles_see_mirrored_pictures_alike(profiles, grey):
    left, right = profiles
    mirrored = np.ascontiguousarray(grey[:, ::-1])
    boxes, hits = left.find(grey, SIZES, 1)
    others, other_hits = right.find(mirrored, SIZES, 1)
    assert hits.tolist() == other_hits.tolist()
    assert others == pytest.approx(
        grey.shape[1] - boxes[:, [2, 1, 0, 3]] * (1, -1, 1, -1) - (0, grey.shape[1]) * 2
    )


@pytest.mark.parametrize("shift", [(0, 0), (15, -12), (-18, 6)])
@pytest.mark.parametrize("scale", [0.9, 1.1])
def test_a_face_is_found_again_near_its_old_place(frontal, profiles, grey, shift, scale):
    side = 95 * scale
    centre = np.array([224.5, 116.5]) + shift
    expected = np.concatenate([centre - side / 2, centre + side / 2])
    found = find_nearby(grey, expected, (frontal, *profiles), (1, 0))
    assert found is not None
    assert overlaps(found.xyxy[None], FACE)[0, 0] > 0.5


def test_where_no_face_is_none_is_found(frontal, profiles, grey):
    assert find_nearby(grey, (10.0, 300, 110, 400), (frontal, *profiles), (0, 1, 2)) is None
    assert find_nearby(grey, (900.0, 900, 990, 990), (frontal, *profiles), (0, 1, 2)) is None


def test_the_profile_cascade_keeps_its_licence_and_a_missing_one_is_refused(tmp_path):
    assert "License Agreement" in find_cascade(PROFILE_FILE).read_text(encoding="utf-8")[:3000]
    with pytest.raises(CheckpointError, match="none.xml"):
        Cascade(tmp_path / "none.xml")
