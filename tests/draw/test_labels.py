"""What labels say when there is room, and when there is none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.faces import Face
from facecli.draw.annotate import annotate, build_labels, label_parts
from facecli.draw.plates import PALETTE, LabelHabits, Rectangle, place_labels


def face(box=(20, 60, 80, 120), track=1):
    return Face(
        box, 0.9, 32.0, (20, 50), {"male": 0.8, "female": 0.2}, {"white": 1.0}, {"happy": 1.0}, track=track
    )


def crowd(count, resolution_wh, seed=1):
    random = np.random.default_rng(seed)
    width, height = resolution_wh
    corners = random.integers(0, (width - 40, height - 40), (count, 2))
    return [face((x, y, x + 40, y + 40), number) for number, (x, y) in enumerate(corners.tolist(), 1)]


def test_no_faces_no_labels():
    assert build_labels([], (640, 480)) == []
    assert build_labels([Face((0, 0, 9, 9), 0.9)], (640, 480)) == [[]]


def test_one_face_is_written_in_full():
    one, stacked = build_labels([face()], (640, 480))[0]
    assert one.lines == ("32 (20-50)  male 80%  white 100%  happy 100%",)
    assert stacked.lines == ("32 (20-50)", "male 80%", "white 100%", "happy 100%")


def test_a_crowd_is_written_small_and_short():
    (one, _), *_ = build_labels(crowd(50, (1280, 720)), (1280, 720))
    assert one.lines == ("32 (20-50)  male 80%",)
    assert one.scale < build_labels([face()], (1280, 720))[0][0].scale


def test_details_are_rows_with_bars_and_go_in_a_crowd():
    ((plate,),) = build_labels([face()], (640, 480), details=True)
    assert plate.lines[0].startswith("#1") and len(plate.bars) == len(plate.lines)
    assert plate.bar_width > 0
    (one, _), *_ = build_labels(crowd(50, (1280, 720)), (1280, 720), details=True)
    assert not one.bars or one.bar_width == 0


@pytest.mark.parametrize("details", [False, True])
@given(
    count=st.integers(0, 50), width=st.integers(60, 900), height=st.integers(60, 900), seed=st.integers(0, 9)
)
def test_fifty_labels_lie_inside_the_picture(details, count, width, height, seed):
    faces = crowd(count, (width, height), seed)
    labels = build_labels(faces, (width, height), details=details)
    boxes = [Rectangle(*one.box_xyxy) for one in faces]
    placed = place_labels(labels, boxes, (width, height))
    assert len(placed) == count
    for plate, (left, top) in placed:
        assert 0 <= left and left + plate.width <= width
        assert 0 <= top and top + plate.height <= height


def test_a_label_higher_than_the_picture_shrinks():
    rows = build_labels([face()], (300, 300), details=True)[0][0].lines
    plate = build_labels([face()], (300, 20), details=True)[0][0]
    assert plate.height <= 20 and len(rows) > 3


def test_the_track_colours_box_and_label():
    for track, colour in enumerate(PALETTE, start=1):
        drawn = annotate(np.zeros((240, 320, 3), np.uint8), [face(track=track)])
        same = (abs(drawn.astype(int) - colour) < 40).all(axis=2)
        assert same[62:118, 18:22].any() and same[:50].any()


@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (8, 8), (300, 20), (2160, 3840)])
def test_any_picture_size_is_drawn_on(shape, details):
    height, width = shape
    picture = np.zeros((*shape, 3), np.uint8)
    assert annotate(picture, [face((0, 0, width, height))] * 3, details=details).shape == (*shape, 3)


def test_details_change_what_is_drawn():
    picture = np.zeros((240, 320, 3), np.uint8)
    assert (annotate(picture, [face()], details=True) != annotate(picture, [face()])).any()


def test_labels_of_a_video_stay_where_they_were():
    """A neighbour comes near: without a habit the label would step aside and back."""
    picture, habits = np.zeros((240, 320, 3), np.uint8), LabelHabits()
    boxes = [Rectangle(100, 100, 160, 160)]
    labels = build_labels([face(boxes[0])], (320, 240))
    (alone,) = place_labels(labels, boxes, (320, 240), tracks=[1], habits=habits)
    near = Rectangle(90, 70, 120, alone[1][1] + 3)
    (moved,) = place_labels(labels, boxes, (320, 240), keep_off=[near])
    (kept,) = place_labels(
        labels, boxes, (320, 240), keep_off=[near._replace(right=92)], tracks=[1], habits=habits
    )
    assert moved[1] != alone[1] == kept[1]
    annotate(picture, [face(track=None)], habits=habits)
    assert list(habits.places) == [1]


def test_letters_do_not_change_size_back_and_forth():
    habits, sizes, free = LabelHabits(), set(), set()
    for step in range(12):
        faces = crowd(3 + step % 2, (640, 480))
        sizes.add(build_labels(faces, (640, 480), habits=habits)[0][0].scale)
        free.add(build_labels(faces, (640, 480))[0][0].scale)
    assert len(sizes) <= len(free) and len(sizes) == 1


def test_the_order_of_faces_does_not_matter_in_a_stream():
    picture, faces = np.zeros((480, 640, 3), np.uint8), crowd(6, (640, 480))
    assert (annotate(picture, faces) == annotate(picture, faces[::-1])).all()


def test_bands_of_years_stand_beside_the_age():
    banded = replace(face(), age_bands={"0-24": 0.3, "25+": 0.7})
    assert label_parts(banded)[:3] == ["32 (20-50)", "25+ 70%", "male 80%"]
    assert label_parts(replace(banded, uncertain=("age_band",)))[:3] == [
        "32 (20-50)",
        "age group uncertain",
        "male 80%",
    ]
