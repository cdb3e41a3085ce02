"""What labels say when there is room, and when there is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.faces import Face
from facecli.draw.annotate import LabelHabits, annotate, build_labels, place_labels
from facecli.draw.plates import PALETTE, Rectangle


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


def test_one_face_is_written_in_three_short_lines_or_two():
    stacked, two = build_labels([face()], (640, 480))[0]
    assert stacked.lines == ("#1  32 (20-50)", "male", "white \u00b7 happy")
    assert two.lines == ("#1  32 (20-50) \u00b7 male", "white \u00b7 happy")
    assert stacked.width < two.width and stacked.height > two.height


@pytest.mark.parametrize("side", [40, 80, 160, 320])
def test_plates_are_hardly_wider_than_faces_as_far_as_they_are_read(side):
    ((plate, _),) = build_labels([face((100, 100, 100 + side, 100 + side))], (1280, 720))
    assert plate.width <= 1.55 * side or plate.size == round(0.5 * 20 / 0.7)


def test_the_number_of_a_track_is_always_shown():
    for count in (1, 6, 20, 50):
        for (first, *_), one in zip(
            build_labels(faces := crowd(count, (1280, 720)), (1280, 720)), faces, strict=True
        ):
            assert first.lines[0].startswith(f"#{one.track}  ")


def test_a_crowd_is_written_small_and_short():
    (stacked, one), *_ = build_labels(crowd(50, (1280, 720)), (1280, 720))
    assert stacked.lines == ("#1  32 (20-50)", "male") and one.lines == ("#1  32 (20-50) \u00b7 male",)
    assert one.size < build_labels([face()], (1280, 720))[0][0].size


def test_details_are_rows_with_bars_and_go_in_a_crowd():
    ((plate,),) = build_labels([face((20, 60, 280, 320))], (640, 480), details=True)
    assert plate.lines[0].startswith("#1") and all(row.bar for row in plate.rows)
    assert plate.bar_width > 0
    (first, _), *_ = build_labels(crowd(50, (1280, 720)), (1280, 720), details=True)
    assert first.bar_width == 0


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
    for label in placed:
        assert 0 <= label.place.left and label.place.right <= width
        assert 0 <= label.place.top and label.place.bottom <= height


def test_a_label_higher_than_the_picture_shrinks():
    rows = build_labels([face()], (300, 300), details=True)[0][0].lines
    plate = build_labels([face()], (300, 20), details=True)[0][0]
    assert plate.height <= 20 and len(rows) > 3


def test_the_track_colours_box_and_label():
    for track, colour in enumerate(PALETTE, start=1):
        drawn = annotate(np.zeros((240, 320, 3), np.uint8), [face(track=track)])
        same = (abs(drawn.astype(int) - colour) < 40).all(axis=2)
        assert same[62:118, 18:22].any() and same[62:118, 84:].any()


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
    habits = LabelHabits()
    boxes = [Rectangle(100, 100, 160, 160)]
    labels = build_labels([face(boxes[0])], (320, 240))
    (alone,) = place_labels(labels, boxes, (320, 240), tracks=[1], habits=habits)
    (moved,) = place_labels(labels, boxes, (320, 240), keep_off=[alone.place], tracks=[1], habits=habits)
    (kept,) = place_labels(labels, boxes, (320, 240), tracks=[1], habits=habits)
    assert alone.corner != moved.corner == kept.corner
    (without,) = place_labels(labels, boxes, (320, 240))
    assert without.corner == alone.corner


def test_faces_without_a_track_leave_no_habit():
    habits = LabelHabits()
    annotate(np.zeros((240, 320, 3), np.uint8), [face(track=None)], habits=habits)
    assert habits.places == {}


def test_letters_do_not_change_size_back_and_forth():
    habits, sizes, free = LabelHabits(), set(), set()
    for step in range(12):
        faces = crowd(3 + step % 2, (640, 480))
        sizes.add(build_labels(faces, (640, 480), habits=habits)[0][0].size)
        free.add(build_labels(faces, (640, 480))[0][0].size)
    assert len(sizes) <= len(free) and len(sizes) == 1


def test_the_order_of_faces_does_not_matter_in_a_stream():
    picture, faces = np.zeros((480, 640, 3), np.uint8), crowd(6, (640, 480))
    assert (annotate(picture, faces) == annotate(picture, faces[::-1])).all()
