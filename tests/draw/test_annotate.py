"""What is drawn, and where labels go."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.faces import Face
from facecli.draw.annotate import annotate, draw_note, label_parts
from facecli.draw.plates import LabelHabits, Plate, Rectangle, place_labels

FULL = Face(
    (20, 60, 80, 120), 0.9, 32.4, (26, 39), {"male": 0.02, "female": 0.98}, {"white": 0.91, "black": 0.09}
)
DOUBTFUL = replace(FULL, uncertain=("race",))


@pytest.mark.parametrize("shape", [(1, 1), (5, 200), (480, 640)])
def test_without_faces_the_copy_equals_the_picture(shape):
    picture = np.full((*shape, 3), 7, np.uint8)
    drawn = annotate(picture, [])
    assert (drawn == picture).all() and drawn is not picture


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_box_and_label_are_seen_on_any_ground(ground):
    picture = np.full((240, 320, 3), ground, np.uint8)
    drawn = annotate(picture, [FULL])
    assert (picture == ground).all()
    assert len(np.unique(drawn[40:60])) > 2
    edge = drawn[90, 16:25].astype(int)
    assert np.ptp(edge) > 100


def test_label_says_age_interval_gender_and_race():
    assert label_parts(FULL) == ["32 (26-39)", "female 98%", "white 91%"]


def test_a_rejected_box_is_grey_and_says_so():
    face = Face((20, 60, 80, 120), 0.9, face_probability=0.04, rejected=True)
    assert label_parts(replace(face, uncertain=("gender",))) == ["not a face 96%"]
    drawn = annotate(np.zeros((240, 320, 3), np.uint8), [face])
    assert drawn.any() and (np.ptp(drawn.astype(int), axis=2) == 0).all()


def test_label_says_which_head_is_uncertain():
    assert label_parts(DOUBTFUL) == ["32 (26-39)", "female 98%", "race uncertain"]
    face = Face((0, 0, 9, 9), 0.9, emotion_probabilities={"happy": 0.5, "sad": 0.5})
    assert label_parts(face) == ["happy 50%"]
    assert label_parts(replace(face, uncertain=("emotion",))) == ["emotion uncertain"]


def test_doubt_changes_what_is_drawn():
    picture = np.zeros((240, 320, 3), np.uint8)
    assert (annotate(picture, [DOUBTFUL]) != annotate(picture, [FULL])).any()


def test_label_without_heads_is_empty_and_only_the_box_is_drawn():
    face = Face((20, 60, 80, 120), 0.9)
    assert label_parts(face) == []
    drawn = annotate(np.zeros((240, 320, 3), np.uint8), [face])
    assert drawn.any() and not drawn[:50].any() and not drawn[130:].any()


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (20, 300), (300, 20), (3000, 4000)])
def test_any_picture_size_is_drawn_on(shape):
    height, width = shape
    face = Face((0, 0, width, height), 1.0, 30.0, (1, 99), {"male": 1.0}, {"indian": 1.0})
    assert annotate(np.zeros((*shape, 3), np.uint8), [face] * 3).shape == (*shape, 3)


def test_read_only_and_flipped_pictures_are_copied():
    picture = np.zeros((50, 60, 3), np.uint8)[:, ::-1]
    picture.setflags(write=False)
    assert annotate(picture, [FULL]).any()


def test_note_is_written_into_the_picture():
    picture = np.full((100, 100, 3), 128, np.uint8)
    draw_note(picture, "30 fps")
    assert len(np.unique(picture)) > 2


def plate(width=40, height=10):
    return Plate(("x",), 1.0, 2, 8, width, height)


def test_no_labels_no_places():
    assert place_labels([], [], (10, 10)) == []
    assert place_labels([[]], [Rectangle(0, 0, 5, 5)], (10, 10)) == []


def test_label_stands_above_its_box_when_there_is_room():
    assert place_labels([[plate()]], [Rectangle(50, 50, 90, 90)], (200, 200))[0][1] == (50, 39)


def test_label_of_a_face_at_the_top_goes_below():
    (_, (_, top)) = place_labels([[plate()]], [Rectangle(50, 0, 90, 40)], (200, 200))[0]
    assert top >= 40


def test_label_leaves_its_place_when_the_face_comes_under_it():
    habits, wide = LabelHabits(), plate(60, 40)
    for top in (60, 50, 40, 30, 20):
        box = Rectangle(50, top, 90, top + 40)
        ((label, (left, over)),) = place_labels([[wide]], [box], (200, 200), tracks=[1], habits=habits)
        assert Rectangle(left, over, left + label.width, over + label.height).overlap(box) == 0


def test_second_layout_is_taken_when_the_first_would_cover_another_label():
    box = Rectangle(10, 12, 40, 50)
    placed = place_labels([[plate()], [plate(40), plate(10, 20)]], [box, box], (60, 70))
    first, second = (Rectangle(x, y, x + p.width, y + p.height) for p, (x, y) in placed)
    assert first.overlap(second) == 0


@given(
    st.lists(st.tuples(st.integers(0, 190), st.integers(0, 190), st.integers(1, 60)), max_size=6),
    st.integers(1, 200),
    st.integers(1, 200),
)
def test_labels_lie_inside_a_picture_that_is_large_enough(squares, width, height):
    boxes = [Rectangle(x, y, min(x + side, 200), min(y + side, 200)) for x, y, side in squares]
    for label, (left, top) in place_labels([[plate(width, height)]] * len(boxes), boxes, (200, 200)):
        assert 0 <= left and left + label.width <= 200
        assert 0 <= top and top + label.height <= 200
