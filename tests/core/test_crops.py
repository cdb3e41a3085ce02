import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.crops import (
    CHIP_LANDMARKS,
    box_areas,
    crop_face,
    fit_chip,
    fit_similarity,
    overlaps,
    tighter_crop,
    warp,
)


def ramp(height, width):
    """Red counts columns, green rows, blue is 7: a crop shows where it was cut."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows, np.full_like(rows, 7)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 5, 9, 5), (9, 5, 5, 9)])
def test_empty_box_is_refused(box):
    with pytest.raises(ValueError, match="nothing to crop"):
        crop_face(ramp(20, 20), box, 0.0, (4, 4))


def test_margin_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing to crop"):
        crop_face(ramp(20, 20), (5, 5, 9, 9), -0.5, (4, 4))


def test_box_far_outside_the_picture_is_refused():
    with pytest.raises(ValueError, match="outside"):
        crop_face(ramp(20, 20), (100, 100, 110, 110), 0.0, (4, 4))


def test_whole_picture_at_its_own_size_is_the_picture():
    image = ramp(30, 30)
    assert (crop_face(image, (0, 0, 30, 30), 0.0, (30, 30)) == image).all()


def test_square_box_without_margin_is_a_plain_cut():
    image = ramp(40, 50)
    assert (crop_face(image, (10, 5, 20, 15), 0.0, (10, 10)) == image[5:15, 10:20]).all()


def test_margin_grows_on_every_side_and_a_negative_one_shrinks():
    image = ramp(40, 50)
    assert (crop_face(image, (10, 10, 20, 20), 0.2, (14, 14)) == image[8:22, 8:22]).all()
    assert (crop_face(image, (10, 10, 20, 20), -0.2, (6, 6)) == image[12:18, 12:18]).all()


def test_shift_moves_down_by_sides():
    image = ramp(40, 50)
    assert (crop_face(image, (10, 10, 20, 20), 0.0, (10, 10), shift_y=0.3) == image[13:23, 10:20]).all()


def test_narrow_box_becomes_a_square_around_its_centre():
    image = ramp(40, 50)
    assert (crop_face(image, (14, 10, 18, 20), 0.0, (10, 10)) == image[10:20, 11:21]).all()


def test_border_is_continued_so_that_the_face_keeps_its_proportions():
    crop = crop_face(ramp(20, 20), (-5, -5, 5, 5), 0.0, (10, 10))
    assert (crop[:5, :5] == (0, 0, 7)).all()
    assert crop[5:, 5:, 0].tolist() == [[0, 1, 2, 3, 4]] * 5


def test_image_size_is_height_then_width():
    assert crop_face(ramp(20, 20), (0, 0, 20, 20), 0.0, (6, 8)).shape == (6, 8, 3)


def test_input_is_not_changed_and_colours_keep_their_order():
    image = ramp(20, 20)
    before = image.copy()
    crop = crop_face(image, (2, 2, 12, 12), 0.1, (5, 5))
    crop[:] = 0
    assert (image == before).all()
    assert (crop_face(image, (2, 2, 12, 12), 0.1, (5, 5))[..., 2] == 7).all()


@given(
    x=st.integers(-20, 29),
    y=st.integers(-20, 39),
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    margin=st.floats(-0.3, 0.6),
)
def test_any_box_whose_centre_lies_inside_gives_a_crop(x, y, width, height, margin):
    image = ramp(40, 30)
    if (
        not (0 <= x + width / 2 < 29 and 0 <= y + height / 2 < 39)
        or max(width, height) * (1 + 2 * margin) < 2
    ):
        return
    crop = crop_face(image, (x, y, x + width, y + height), margin, (9, 9))
    assert crop.shape == (9, 9, 3) and crop.dtype == np.uint8
    assert (crop[..., 2] == 7).all()


@given(margin=st.floats(-0.2, 0.5), further=st.floats(-0.2, 0.3), shift=st.floats(-0.2, 0.2))
def test_tighter_crop_composes_margins(margin, further, shift):
    total, kept = tighter_crop((margin, shift), further)
    assert 1 + 2 * total == pytest.approx((1 + 2 * margin) * (1 + 2 * further))
    assert kept == shift


# Upright faces.

POINTS = CHIP_LANDMARKS * 100
ANGLES = [-170, -90, -40, 0, 25, 90, 180]


def turned(points, degrees, scale=1.0, shift=(0.0, 0.0)):
    """Points (n, 2), turned clockwise as a viewer sees it (y points down)."""
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ matrix.T + shift


@pytest.mark.parametrize("degrees", ANGLES)
def test_a_similarity_is_found_again(degrees):
    goals = turned(POINTS, degrees, 1.7, (30, -20))
    matrix = fit_similarity(POINTS, goals)
    assert np.allclose(POINTS @ matrix[:, :2].T + matrix[:, 2], goals)


def test_points_that_coincide_or_are_not_known_fit_nothing():
    assert fit_similarity(np.zeros((5, 2)), POINTS) is None
    assert fit_similarity(np.full((5, 2), np.nan), POINTS) is None


@pytest.mark.parametrize("degrees", ANGLES)
def test_a_chip_lies_upright_whatever_the_head_does(degrees):
    points = turned(POINTS, degrees, 2.0, (200, 200))
    centre = turned(np.array([[50.0, 50.0]]), degrees, 2.0, (200, 200))[0]
    matrix = fit_chip(points, (*(centre - 80), *(centre + 80)), (96, 96))
    assert np.allclose(points @ matrix[:, :2].T + matrix[:, 2], CHIP_LANDMARKS * 96, atol=1e-6)


def test_a_margin_shows_more_around_the_chip():
    matrix = fit_chip(POINTS, (10, 10, 90, 90), (96, 96), margin=0.25)
    said = POINTS @ matrix[:, :2].T + matrix[:, 2]
    assert np.allclose(said, ((CHIP_LANDMARKS - 0.5) / 1.5 + 0.5) * 96)


@pytest.mark.parametrize("box", [(300, 300, 400, 400), (45, 45, 55, 55), (-400, -400, 500, 500)])
def test_landmarks_that_do_not_fit_the_box_are_not_believed(box):
    assert fit_chip(POINTS, box, (96, 96)) is None


@pytest.mark.parametrize("size", [(100, 100), (20, 20), (260, 180)])
def test_a_warp_that_only_scales_gives_what_resizing_gives(size):
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3)).astype(np.uint8)
    image = cv2.GaussianBlur(noise, (9, 9), 0)
    height, width = size
    matrix = np.array([[width / 100, 0, 0], [0, height / 100, 0.0]])
    method = cv2.INTER_AREA if height < 100 else cv2.INTER_LINEAR
    wanted = cv2.resize(image, (width, height), interpolation=method)
    assert np.abs(warp(image, matrix, size).astype(int) - wanted).mean() < 1.5


def test_of_no_boxes_none_overlap():
    none, one = np.empty((0, 4)), np.array([[0, 0, 1, 1]])
    assert overlaps(none, one).shape == (0, 1)
    assert overlaps(one, none).shape == (1, 0)
    assert box_areas(none).shape == (0,)


@pytest.mark.parametrize("shift", [(0, 0), (-300, -100), (90, 40), (-2000, 0)])
def test_a_part_of_a_large_picture_is_warped_as_the_whole(shift):
    noise = np.random.default_rng(3).integers(0, 256, (400, 600, 3)).astype(np.uint8)
    image = cv2.GaussianBlur(noise, (31, 31), 0)
    matrix = np.array([[0.22, 0.05, 0.22 * shift[0]], [-0.05, 0.22, 0.22 * shift[1]]])
    small = warp(image, matrix, (40, 50)).astype(int)
    # Without shrinking first: each pixel is a bilinear look at a smooth picture.
    moved = np.concatenate(
        [matrix[:, :2], (matrix[:, 2] + matrix[:, :2] @ (0.5, 0.5) - 0.5)[:, None]], axis=1
    )
    plain = cv2.warpAffine(image, moved, (50, 40), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    assert np.abs(small - plain).mean() < 2.5
