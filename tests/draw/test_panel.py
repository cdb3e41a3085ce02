"""One face's panel."""

from dataclasses import replace

import numpy as np
import pytest
from panel_faces import BARE, EMOTION, FULL, GENDER, RACE_7

from facecli.draw.panel import SUNKEN, draw_panel, panel_size

BLUE = (0, 0, 255)


@pytest.fixture
def picture():
    return np.random.default_rng(1).integers(0, 256, (120, 100, 3), np.uint8)


def test_face_of_which_nothing_is_known_has_a_panel(picture):
    panel = draw_panel(picture, BARE, "1", BLUE, 12)
    assert panel.dtype == np.uint8 and panel.shape[:2][::-1] == panel_size(BARE, 12)
    assert panel.shape[0] < draw_panel(picture, FULL, "1", BLUE, 12).shape[0]


@pytest.mark.parametrize("letters", [6, 12, 13, 40])
def test_size_is_known_before(picture, letters):
    for face in (FULL, BARE, replace(FULL, emotion_probabilities=None), replace(BARE, rejected=True)):
        shape = draw_panel(picture, face, "12  a model", BLUE, letters).shape
        assert shape[:2][::-1] == panel_size(face, letters)


def test_picture_is_not_changed(picture):
    before = picture.copy()
    draw_panel(picture, FULL, "1", BLUE, 12)
    assert (picture == before).all()


def test_panels_of_one_letter_height_are_equally_wide():
    faces = FULL, BARE, replace(FULL, emotion_probabilities=None)
    assert len({panel_size(face, 17)[0] for face in faces}) == 1


def test_crop_shows_the_face(picture):
    picture[30:90, 20:80] = (200, 10, 10)
    panel = draw_panel(picture, BARE, "", BLUE, 12)
    # The box is inside its square of 11 letters, with a margin.
    assert (panel[75:125, 60:110] == (200, 10, 10)).all(axis=2).mean() > 0.95


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (0, 0, 100, 120), (99, 119, 100, 120), (5, 5, 5, 5)])
def test_boxes_at_the_border_are_drawn(picture, box):
    draw_panel(picture, replace(FULL, box_xyxy=box), "1", BLUE, 12)


def test_curve_is_highest_at_the_most_probable_age_and_nothing_far_from_it(picture):
    panel = draw_panel(picture, replace(FULL, gender_probabilities=None), "1", BLUE, 20)
    left, right, top, bottom = 286, 700, 68, 254
    coloured = (panel[top:bottom, left:right].astype(int) != SUNKEN).any(axis=2)
    heights = coloured.sum(axis=0)
    x = [round((right - left) * age / 116) for age in (40, 15, 90)]
    assert heights[x[0]] > 0.9 * (bottom - top)
    assert max(heights[x[1]], heights[x[2]]) < 0.1 * (bottom - top)


def test_without_a_distribution_the_interval_alone_is_shown(picture):
    with_curve = draw_panel(picture, FULL, "1", BLUE, 12)
    without = draw_panel(picture, replace(FULL, age_distribution=None), "1", BLUE, 12)
    assert with_curve.shape == without.shape and (with_curve != without).any()


def blue_pixels(panel):
    return int(((panel == BLUE).all(axis=2)).sum())


def test_length_of_a_bar_is_its_probability(picture):
    def panel(share):
        face = replace(BARE, gender_probabilities={"male": 1 - share, "female": share})
        return blue_pixels(draw_panel(picture, face, "", BLUE, 20))

    none, half, full = panel(0.501), panel(0.75), panel(1.0)
    assert none < half < full
    assert (half - none) == pytest.approx(full - half, rel=0.1)


def test_seven_races_stand_where_an_emotion_does_not(picture):
    of_seven = replace(FULL, emotion_probabilities=None, race_7_probabilities=RACE_7)
    assert panel_size(of_seven, 12) == panel_size(FULL, 12)
    drawn = draw_panel(picture, of_seven, "1", BLUE, 12)
    without = draw_panel(picture, replace(FULL, emotion_probabilities=None), "1", BLUE, 12)
    assert blue_pixels(drawn) > blue_pixels(without)
    everything = replace(FULL, race_7_probabilities=RACE_7)
    assert draw_panel(picture, everything, "1", BLUE, 12).shape[0] > drawn.shape[0]


def test_long_names_leave_room_for_their_bars(picture):
    def bar(name):
        face = replace(BARE, gender_probabilities={name: 1.0})
        return blue_pixels(draw_panel(picture, face, "", BLUE, 20)) - stripe

    stripe = blue_pixels(draw_panel(picture, BARE, "", BLUE, 20))
    assert bar("male") == bar("female") > bar("southeast_asian") > bar("male") / 3


def test_uncertain_heads_have_no_chosen_class(picture):
    face = replace(BARE, gender_probabilities=GENDER, emotion_probabilities=EMOTION)
    sure = blue_pixels(draw_panel(picture, face, "", BLUE, 12))
    doubtful = replace(face, uncertain=("gender", "emotion"))
    unsure = blue_pixels(draw_panel(picture, doubtful, "", BLUE, 12))
    stripe = blue_pixels(draw_panel(picture, BARE, "", BLUE, 12))
    assert sure > unsure >= stripe


def test_long_titles_and_bands_stay_on_the_panel(picture):
    face = replace(FULL, age_bands={"a name " * 40: 0.9, "b": 0.1})
    assert draw_panel(picture, face, "x" * 300, BLUE, 12).shape[:2][::-1] == panel_size(face, 12)
