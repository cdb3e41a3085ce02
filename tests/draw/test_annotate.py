"""What is drawn, and where labels go."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.faces import Face
from facecli.draw.annotate import LabelHabits, annotate, draw_note, label_parts, place_labels
from facecli.draw.plates import Plate, Rectangle, Side, Tone, plain_row

FULL = Face(
    (20, 60, 80, 120), 0.9, 32.4, (26, 39), {"male": 0.02, "female": 0.98}, {"white": 0.91, "black": 0.09}
)
DOUBTFUL = replace(FULL, uncertain=("race",))
MORE = replace(FULL, emotion_probabilities={"happy": 0.5, "sad": 0.5}, age_bands={"0-24": 0.3, "25+": 0.7})


def said(face):
    """The lines of its label, and what of them is muted."""
    lines = label_parts(face)
    muted = [word.text.strip() for line in lines for word in line if word.tone is Tone.MUTED]
    return ["".join(word.text for word in line) for line in lines], [
        word for word in muted if word != "\u00b7"
    ]


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


def test_label_says_age_interval_gender_and_race_in_short_lines():
    assert said(FULL) == (["32 (26-39)", "female", "white"], ["(26-39)"])
    happy = replace(
        FULL, emotion_probabilities={"happy": 0.5, "sad": 0.5}, age_bands={"0-24": 0.3, "25+": 0.7}
    )
    assert said(happy)[0] == ["32 (26-39)", "25+ \u00b7 female", "white \u00b7 happy"]


def test_a_rejected_box_is_grey_and_says_so():
    face = Face((20, 60, 80, 120), 0.9, face_probability=0.04, rejected=True)
    assert said(replace(face, uncertain=("gender",)))[0] == ["not a face 96%"]
    assert said(replace(face, track=3))[0] == ["#3  not a face 96%"]
    drawn = annotate(np.zeros((240, 320, 3), np.uint8), [face]).astype(int)
    # The muted grey of its words is a little blue.
    assert drawn.any() and np.ptp(drawn, axis=2).max() <= 12


def test_what_is_uncertain_is_there_short_and_muted():
    assert said(DOUBTFUL) == (["32 (26-39)", "female", "race?"], ["(26-39)", "race?"])
    face = replace(
        FULL, emotion_probabilities={"happy": 0.5, "sad": 0.5}, age_bands={"0-24": 0.3, "25+": 0.7}
    )
    doubtful = replace(face, uncertain=("gender", "race", "emotion", "age_band"))
    assert said(doubtful)[0] == ["32 (26-39)", "age group? \u00b7 gender?", "race? \u00b7 emotion?"]
    # A head that is not there is not called uncertain.
    assert said(replace(FULL, gender_probabilities=None, uncertain=("gender",)))[0] == ["32 (26-39)", "white"]


def test_an_age_without_an_interval_and_a_track_without_an_age():
    assert said(replace(FULL, age_interval_90=None))[0][0] == "32"
    assert said(Face((0, 0, 9, 9), 0.9, track=2)) == (["#2"], [])
    assert said(replace(FULL, track=2))[0][0] == "#2  32 (26-39)"


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


def test_label_size_makes_plates_larger_and_smaller():
    picture = np.full((720, 1280, 3), 200, np.uint8)
    face = replace(FULL, box_xyxy=(500, 200, 800, 560))

    def area(size):
        return (annotate(picture, [face], label_size=size) != picture).any(axis=2).sum()

    assert area(0.5) < area(1.0) < area(2.0)


def test_thin_lines_leave_small_faces_to_be_seen():
    picture = np.zeros((720, 1280, 3), np.uint8)
    drawn = annotate(picture, [Face((600, 300, 624, 328), 0.9)])
    assert not drawn[305:323, 605:619].any()


def plate(width=40, height=10):
    return Plate((plain_row("x"),), 10, 4, 8, width, height)


def places(labels, boxes, resolution_wh, **more):
    return [label.place for label in place_labels(labels, boxes, resolution_wh, **more)]


def test_no_labels_no_places():
    assert place_labels([], [], (10, 10)) == []
    assert place_labels([[]], [Rectangle(0, 0, 5, 5)], (10, 10)) == []


@pytest.mark.parametrize(
    ("box", "side"),
    [
        ((50, 50, 90, 90), Side.LEFT),
        ((150, 50, 190, 90), Side.RIGHT),
        ((10, 5, 190, 90), Side.TOP),
        ((10, 100, 190, 195), Side.BOTTOM),
    ],
)
def test_label_stands_right_left_below_or_above_its_box_with_the_stripe_towards_it(box, side):
    box = Rectangle(*box)
    (label,) = place_labels([[plate()]], [box], (200, 200))
    assert label.side is side and label.place.overlap(box) == 0
    gap = {
        Side.LEFT: label.place.left - box.right,
        Side.RIGHT: box.left - label.place.right,
        Side.TOP: label.place.top - box.bottom,
        Side.BOTTOM: box.top - label.place.bottom,
    }[side]
    assert 0 < gap < 8


def test_label_of_a_face_that_fills_the_picture_lies_at_its_lower_edge():
    (place,) = places([[plate()]], [Rectangle(0, 0, 200, 200)], (200, 200))
    assert place.bottom == 200


def test_label_leaves_its_place_when_the_face_comes_under_it():
    habits, wide = LabelHabits(), plate(60, 40)
    for top in (60, 50, 40, 30, 20):
        boxes = [Rectangle(50, top, 90, top + 40), Rectangle(160 - top, 60, 190 - top, 90)]
        for place in places([[wide], []], boxes, (200, 200), tracks=[1, 2], habits=habits):
            assert not any(place.overlap(box) for box in boxes)


def test_second_layout_is_taken_where_the_first_has_no_room():
    box = Rectangle(10, 12, 40, 50)
    first, second = places([[plate()], [plate(40), plate(10, 20)]], [box, box], (60, 70))
    assert first.overlap(second) == 0


squares = st.lists(st.tuples(st.integers(0, 190), st.integers(0, 190), st.integers(1, 60)), max_size=6)


@given(squares, st.integers(1, 200), st.integers(1, 200))
def test_labels_lie_inside_a_picture_that_is_large_enough(drawn, width, height):
    boxes = [Rectangle(x, y, min(x + side, 200), min(y + side, 200)) for x, y, side in drawn]
    for place in places([[plate(width, height)]] * len(boxes), boxes, (200, 200)):
        assert 0 <= place.left and place.right <= 200
        assert 0 <= place.top and place.bottom <= 200


@given(squares.filter(bool), st.integers(10, 80), st.integers(10, 40))
def test_no_label_covers_a_face_when_there_is_room_beside_its_own(drawn, width, height):
    """Whatever stands in the picture: when a side of the face is free, no face is covered."""
    resolution = 400, 400
    boxes = [Rectangle(100 + x, 100 + y, 100 + x + side, 100 + y + side) for x, y, side in drawn]
    own, gap = boxes[0], 4
    beside = (
        (own.right + gap, own.top), (own.left - gap - width, own.top),
        (own.left, own.bottom + gap), (own.left, own.top - gap - height),
    )  # fmt: skip
    room = [Rectangle(x, y, x + width, y + height) for x, y in beside]
    (place,) = places([[plate(width, height)], *[[]] * (len(boxes) - 1)], boxes, resolution)
    if any(not any(free.overlap(box) for box in boxes) for free in room):
        assert not any(place.overlap(box) for box in boxes)


@given(st.integers(1, 12), st.integers(20, 60))
def test_people_in_rows_have_labels_on_nobody_and_on_no_other_label(count, side):
    boxes = [
        Rectangle(
            60 + 150 * (n % 4), 60 + 130 * (n // 4), 60 + 150 * (n % 4) + side, 60 + 130 * (n // 4) + side
        )
        for n in range(count)
    ]
    found = places([[plate(70, 40)]] * count, boxes, (700, 500))
    for number, place in enumerate(found):
        assert not any(place.overlap(other) for other in (*boxes, *found[:number]))
