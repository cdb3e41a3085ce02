"""Samples for the detector: boxes and landmarks go where their pixels go."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.core.crops import STRIDES, cell_centres
from facecli.data.boxes import BoxPicture
from facecli.training.box_batches import (
    FACE_SIZES,
    SMALLEST,
    VALUES,
    BoxBatches,
    PictureCache,
    Sample,
    SampleShares,
    draw_map,
    encode,
    mirrored,
    moved,
    worn,
)

SIDE = 128


def sample(box=(40, 40, 60, 60), ignored=False):
    """A black picture of 100 x 100 whose one face is a white square."""
    image = np.zeros((100, 100, 3), np.uint8)
    left, top, right, bottom = box
    image[top:bottom, left:right] = 255
    points = np.array(
        [[left, top], [right, top], [(left + right) / 2, (top + bottom) / 2]] + 2 * [[left, bottom]]
    )
    return Sample(image, np.array([box], np.float32), points[None].astype(np.float32), np.array([ignored]))


def bright(image_rgb):
    """xyxy of what is white."""
    rows, columns = np.nonzero(image_rgb[..., 0] > 127)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def fields(targets):
    ends = np.cumsum(list(VALUES.values()))[:-1]
    return dict(zip(VALUES, np.split(targets, ends, axis=1), strict=True))


def none():
    return Sample(
        np.zeros((SIDE, SIDE, 3), np.uint8), np.empty((0, 4)), np.empty((0, 5, 2)), np.empty(0, bool)
    )


def test_a_picture_without_a_face_teaches_that_there_is_none():
    targets = fields(encode(none(), SIDE))
    assert not targets["positive"].any()
    assert targets["weight"].all()


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.3])
def test_a_box_goes_where_its_pixels_go(scale):
    matrix = np.array([[scale, 0, 20], [0, scale, 10]])
    placed = moved(sample(), matrix, SIDE)
    assert np.abs(placed.xyxy[0] - bright(placed.image_rgb)).max() <= 1.5


def test_a_face_that_is_turned_by_a_quarter_stays_on_its_pixels():
    matrix = np.array([[0.0, 1.0, 10.0], [-1.0, 0.0, 110.0]])
    placed = moved(sample((40, 40, 60, 80)), matrix, SIDE)
    assert np.abs(placed.xyxy[0] - bright(placed.image_rgb)).max() <= 1.5


def test_a_face_that_leaves_the_canvas_is_ignored_and_one_that_has_left_is_gone():
    half_gone = moved(sample(), np.array([[1.0, 0, -53], [0, 1.0, 0]]), SIDE)
    assert half_gone.ignored.tolist() == [True]
    assert half_gone.xyxy[0, 0] == 0
    assert len(moved(sample(), np.array([[1.0, 0, -90], [0, 1.0, 0]]), SIDE).xyxy) == 0


def test_a_face_that_gets_too_small_is_ignored():
    scale = (SMALLEST - 1) / 20
    assert moved(sample(), np.array([[scale, 0, 0], [0, scale, 0]]), SIDE).ignored.tolist() == [True]


def test_a_mirror_image_swaps_left_and_right():
    flipped = mirrored(sample((10, 40, 30, 60)))
    assert np.abs(flipped.xyxy[0] - bright(flipped.image_rgb)).max() == 0
    left_eye, right_eye, *_, left_mouth, right_mouth = flipped.landmarks[0]
    assert left_eye[0] < right_eye[0] and left_mouth[0] >= 70 and right_mouth[0] >= 70


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_any_random_map_keeps_boxes_on_the_canvas_and_on_their_pixels(seed):
    random = np.random.default_rng(seed)
    how = SampleShares()
    given_one = sample()
    placed = moved(given_one, draw_map(given_one, SIDE, how, random), SIDE)
    assert (placed.xyxy >= 0).all() and (placed.xyxy <= SIDE).all()
    for box in placed.xyxy[~placed.ignored]:
        left, top, right, bottom = np.round(box).astype(int)
        assert placed.image_rgb[top:bottom, left:right].max() > 60


@pytest.mark.parametrize("side", [8, 20, 36, 60, 90, 110])
def test_a_face_is_found_by_cells_near_its_centre_at_the_levels_for_its_size(side):
    box = np.array([10, 10, 10 + side, 10 + side], np.float32)
    face = Sample(none().image_rgb, box[None], np.full((1, 5, 2), 30, np.float32), np.array([False]))
    targets = fields(encode(face, SIDE))
    centres, strides = cell_centres((SIDE, SIDE))

    cells = np.flatnonzero(targets["positive"][:, 0])

    wanted = [s for s, (low, high) in zip(STRIDES, FACE_SIZES, strict=True) if low <= side < high]
    assert sorted(set(strides[cells])) == wanted
    assert (np.abs(centres[cells] - box[:2] - side / 2).max(axis=1) < 1.5 * strides[cells]).all()
    assert (targets["box"][cells] == box).all()
    assert targets["has_landmarks"][cells].all()


def test_landmarks_that_are_not_known_teach_nothing():
    face = Sample(
        none().image_rgb, np.array([[10, 10, 40, 40.0]]), np.full((1, 5, 2), np.nan), np.array([False])
    )
    targets = fields(encode(face, SIDE))
    assert targets["positive"].any() and not targets["has_landmarks"].any()
    assert np.isfinite(targets["landmarks"]).all()


def test_what_is_ignored_weighs_nothing():
    face = Sample(none().image_rgb, np.array([[10, 10, 60, 60.0]]), np.zeros((1, 5, 2)), np.array([True]))
    targets = fields(encode(face, SIDE))
    assert not targets["positive"].any()
    centres, _ = cell_centres((SIDE, SIDE))
    inside = ((centres >= 10) & (centres < 60)).all(axis=1)
    assert not targets["weight"][inside].any() and targets["weight"][~inside].all()


def test_of_two_faces_at_one_place_the_smaller_one_is_found():
    boxes = np.array([[10, 10, 44, 44], [12, 12, 42, 42]], np.float32)
    faces = Sample(none().image_rgb, boxes, np.full((2, 5, 2), np.nan), np.zeros(2, bool))
    targets = fields(encode(faces, SIDE))
    cells = np.flatnonzero(targets["positive"][:, 0])
    assert (targets["box"][cells] == boxes[1]).all(axis=1).any()


def test_a_worn_picture_keeps_its_shape():
    for seed in range(30):
        found = worn(sample(), np.random.default_rng(seed))
        assert found.image_rgb.shape == (100, 100, 3) and found.image_rgb.dtype == np.uint8


@pytest.fixture
def batches(tmp_path):
    import cv2

    file = tmp_path / "a.png"
    cv2.imwrite(str(file), sample().image_rgb)
    one = sample()
    picture = BoxPicture(file, one.xyxy, one.landmarks, one.ignored, "a")
    return lambda seed=1: BoxBatches([[picture]], [1.0], 8, 4, SIDE, seed)


def test_batches_are_a_function_of_seed_and_epoch(batches):
    first, again, other = batches(), batches(), batches(2)
    assert len(first) == 2
    images, targets = first[1]
    assert images.shape == (4, SIDE, SIDE, 3) and images.dtype == np.uint8
    assert targets.shape == (4, len(cell_centres((SIDE, SIDE))[0]), sum(VALUES.values()))
    assert (images == again[1][0]).all()
    assert (images != other[1][0]).any()
    again.start_at(1)
    assert (images != again[1][0]).any()


def test_the_cache_holds_what_fits(tmp_path, batches):
    (picture,) = batches().sets[0]
    small, large = PictureCache(most_bytes=10), PictureCache()
    assert small.load(picture) is not small.load(picture)
    assert large.load(picture) is large.load(picture)
