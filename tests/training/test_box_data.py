"""What a teacher adds to marked pictures, and what is to be found in them."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from facecli.core.crops import overlaps
from facecli.core.errors import DataError
from facecli.data.boxes import BoxPicture
from facecli.detect.registry import Detections
from facecli.training.box_data import (
    Finds,
    ask_teacher,
    look,
    mirror,
    prepare_boxes,
    truth_of,
    with_finds,
)

POINTS = np.array([[12, 15], [28, 15], [20, 22], [14, 32], [26, 32]], np.float32)
MARKED, OTHER = (10.0, 10, 30, 40), (60.0, 10, 80, 40)


def picture(*boxes, labelled=True):
    count = len(boxes)
    return BoxPicture(
        Path("a.png"),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full((count, 5, 2), np.nan, np.float32),
        np.zeros(count, bool),
        "a",
        labelled,
    )


def finds(*rows):
    """Rows of box, best score, share of looks."""
    return Finds(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([POINTS + (row[0][0] - 10, 0) for row in rows], np.float32).reshape(-1, 5, 2),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.float32),
    )


def test_a_teacher_that_finds_nothing_changes_nothing():
    taught = with_finds(picture(MARKED), finds())
    assert taught.xyxy.tolist() == [list(MARKED)]
    assert np.isnan(taught.landmarks).all()


def test_of_a_picture_without_marks_nothing_is_left_when_nothing_is_found():
    assert len(with_finds(picture(), finds()).xyxy) == 0


def test_a_marked_face_takes_the_teachers_box_and_landmarks():
    taught = with_finds(picture(MARKED), finds(((11, 10, 31, 40), 0.9, 1.0)))
    assert taught.xyxy.tolist() == [[11, 10, 31, 40]]
    assert (taught.landmarks[0] == POINTS + (1, 0)).all()
    assert not taught.ignored.any()


def test_sure_finds_are_faces_and_doubtful_ones_are_ignored():
    taught = with_finds(picture(MARKED), finds((OTHER, 0.9, 1.0), ((60, 60, 80, 90), 0.6, 0.25)))
    assert taught.ignored.tolist() == [False, False, True]


def test_a_find_inside_a_marked_face_is_no_other_face():
    taught = with_finds(picture((10, 10, 60, 60)), finds(((12, 12, 42, 40), 0.9, 1.0)))
    assert len(taught.xyxy) == 1


def test_what_only_a_teacher_sees_need_not_be_found_where_somebody_marked():
    truth = truth_of(picture(MARKED), finds((OTHER, 0.9, 1.0)))
    assert truth.wanted.tolist() == [True, False]
    assert truth.unmarked.tolist() == [False, True]


def test_where_nobody_marked_the_teachers_sure_finds_are_to_be_found():
    truth = truth_of(picture(labelled=False), finds((OTHER, 0.9, 1.0)))
    assert truth.wanted.tolist() == [True]


def test_without_a_teacher_the_marks_are_the_truth():
    truth = truth_of(picture(MARKED), None)
    assert truth.wanted.tolist() == [True] and not truth.unmarked.any()


def test_mirroring_twice_changes_nothing():
    boxes, points = np.array([MARKED]), POINTS[None]
    again = mirror(*mirror(boxes, points, 100), 100)
    assert (again[0] == boxes).all() and (again[1] == points).all()


class SeesWhite:
    """A teacher that finds the white square, wherever and however large it is."""

    name = "white"

    def detect(self, frame_rgb):
        rows, columns = np.nonzero(frame_rgb[..., 0] > 127)
        if not len(rows):
            return Detections(np.empty((0, 4), np.int32), np.empty(0, np.float32), np.empty((0, 5, 2)))
        box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        points = box[:2] + np.array([[0, 0], [1, 0], [0.5, 0.5], [0, 1], [1, 1]]) * (box[2:] - box[:2])
        return Detections(box[None], np.array([0.9], np.float32), points[None].astype(np.float32))


@pytest.fixture
def white():
    image = np.zeros((100, 120, 3), np.uint8)
    image[20:50, 30:50] = 255
    return image


def test_all_looks_at_a_face_are_one_find(white):
    found = look(white, SeesWhite())
    assert len(found.scores) == 1 and found.looks[0] == 1
    assert overlaps(found.xyxy, np.array([[30, 20, 50, 50]]))[0, 0] > 0.9
    assert np.allclose(found.landmarks[0, 0], (30, 20), atol=1)


def test_a_picture_without_a_find_has_none():
    found = look(np.zeros((50, 50, 3), np.uint8), SeesWhite())
    assert found.xyxy.shape == (0, 4) and found.landmarks.shape == (0, 5, 2)


def test_a_picture_that_is_known_to_show_no_face_is_not_shown_to_the_teacher(tmp_path, white):
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), white)
    empty, asked = (replace(picture(labelled=known), file=file) for known in (True, False))
    assert ask_teacher([empty], SeesWhite) == {}
    assert list(ask_teacher([asked], SeesWhite)) == [file]


def test_answers_are_kept_by_the_teachers_digest(tmp_path, white, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    weights = tmp_path / "weights"
    weights.write_bytes(b"1")
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), white)
    asked = replace(picture(labelled=False), file=file)

    first = ask_teacher([asked], SeesWhite, weights)
    again = ask_teacher([asked], lambda: pytest.fail("asked twice"), weights)

    assert (first[file].xyxy == again[file].xyxy).all()
    assert (first[file].landmarks == again[file].landmarks).all()


def test_without_a_teacher_pictures_that_nobody_labelled_are_left_out(tmp_path, white):
    cv2.imwrite(str(tmp_path / "a.png"), white)
    (data,) = prepare_boxes([tmp_path], 1)
    assert not data.train and not data.val and not data.test


def test_a_place_without_pictures_is_refused(tmp_path):
    with pytest.raises(DataError, match="no picture with boxes"):
        prepare_boxes([tmp_path], 1)
