import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.crops import crop_face, tighter_crop


def ramp(height, width):
    """Red counts columns, green rows, blue is 7: a crop shows where it was cut."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows, np.full_like(rows, 7)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 5, 9, 5), (9, 5, 5, 9)])
def test_empty_box_is_refused(box):
    with pytest.raises(ValueError, match="nothing to cut"):
        crop_face(ramp(20, 20), box, 0.0, (4, 4))


def test_margin_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing to cut"):
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
