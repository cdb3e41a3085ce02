"""The picture and its panels."""

from dataclasses import replace

import numpy as np
import pytest
from panel_faces import BARE, FULL

from facecli.draw.panel import draw_compared, draw_details


def picture(width=400, height=300):
    return np.full((height, width, 3), 120, np.uint8)


def test_no_face_is_a_copy():
    image = picture()
    drawn = draw_details(image, [])
    assert (drawn == image).all() and drawn is not image


@pytest.mark.parametrize("size", [(90, 100), (400, 300), (300, 1200), (3000, 400)])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_picture_keeps_its_place_and_panels_lie_outside_of_it(size, count):
    image = picture(*size)
    drawn = draw_details(image, [FULL] * count)
    height, width = image.shape[:2]
    assert drawn.shape[0] >= height and drawn.shape[1] >= width
    assert drawn.shape[0] > height or drawn.shape[1] > width
    assert (image == 120).all()
    if min(size) > 200:
        outside = np.ones((height, width), bool)
        outside[:200, :200] = False
        assert (drawn[:height, :width][outside] == 120).all()


def test_picture_of_one_pixel():
    drawn = draw_details(picture(1, 1), [replace(FULL, box_xyxy=(0, 0, 1, 1))])
    assert drawn.size > 3


def test_every_face_has_a_panel_of_its_own_colour():
    drawn = draw_details(picture(), [FULL, replace(FULL, box_xyxy=(200, 100, 260, 160))])
    beyond = drawn.copy()
    beyond[:300, :400] = 0
    for colour in ((86, 180, 255), (255, 150, 40)):
        assert (drawn[:300, :400] == colour).all(axis=2).any()
        assert (beyond == colour).all(axis=2).any()


def test_compared_models_stand_side_by_side():
    alone = draw_details(picture(2000, 300), [FULL])
    both = draw_details(picture(2000, 300), [replace(FULL, by_model={"one": FULL, "other": BARE})])
    assert both.size > alone.size


def test_rejected_faces_are_named_so():
    drawn = draw_details(picture(), [replace(BARE, rejected=True, face_probability=0.03)])
    assert drawn.shape[1] > 400 or drawn.shape[0] > 300


def test_a_crowd_stays_readable_and_within_what_jpeg_holds():
    faces = [replace(FULL, box_xyxy=(10 * i, 10, 10 * i + 9, 20)) for i in range(60)]
    drawn = draw_details(picture(1000, 700), faces)
    assert max(drawn.shape) < 65_000


def compared(count):
    return [
        replace(FULL, box_xyxy=(9 * i, 9, 9 * i + 9, 20), by_model={"one": FULL, "two": BARE})
        for i in range(count)
    ]


def test_a_comparison_is_a_row_for_each_face_and_much_less_than_panels():
    image = picture(1200, 600)
    rows, panels = draw_compared(image, compared(4)), draw_details(image, compared(4))
    assert rows.size < 0.6 * panels.size
    assert rows.shape[0] > 600 or rows.shape[1] > 1200
    assert (draw_compared(image, []) == image).all()


def test_a_comparison_knows_rejected_faces_and_those_of_one_model():
    odd = replace(BARE, rejected=True, face_probability=0.03)
    drawn = draw_compared(picture(), [FULL, odd, replace(FULL, by_model={"one": odd, "two": FULL})])
    assert drawn.size > picture().size


@pytest.mark.parametrize("draw", [draw_details, draw_compared])
def test_sheets_of_many_faces_wrap(draw):
    height, width, _ = draw(picture(1200, 800), compared(30)).shape
    assert max(height, width) <= 2.5 * min(height, width)


def test_many_models_wrap_too():
    face = replace(FULL, by_model={str(number): FULL for number in range(8)})
    height, width, _ = draw_details(picture(1200, 800), [face]).shape
    assert max(height, width) <= 2.5 * min(height, width)


@pytest.mark.parametrize("draw", [draw_details, draw_compared])
def test_label_size_makes_sheets_larger(draw):
    small, usual, large = (draw(picture(), compared(3), label_size=size).size for size in (0.5, 1, 2))
    assert small < usual < large
