"""Figures of a detector: what counts as found, as false, and as neither."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.errors import DataError
from facecli.core.images import load_image
from facecli.data.boxes import BoxPicture
from facecli.detect.registry import Detections
from facecli.training.box_data import BoxData, Truth
from facecli.training.detector_report import (
    average_precision,
    detection_figures,
    draw_misses,
    found_by_group,
    match,
    measure_detector,
)

LARGE, SMALL, FAR = (0, 0, 70, 70), (100, 100, 120, 120), (200, 200, 280, 280)
TINY = (0, 100, 8, 108)


def truth(*boxes, ignored=(), unmarked=(), landmarks=None):
    count = len(boxes)
    flags = np.isin(np.arange(count), ignored), np.isin(np.arange(count), unmarked)
    points = np.full((count, 5, 2), np.nan) if landmarks is None else landmarks
    return Truth(np.array(boxes, float).reshape(-1, 4), flags[0] | flags[1], points, flags[1])


def found(*boxes, scores=None, landmarks=None):
    scores = np.array(scores if scores is not None else [0.9] * len(boxes), np.float32)
    return Detections(np.array(boxes, np.int32).reshape(-1, 4), scores, landmarks)


def figures(one, other):
    return detection_figures([one], [other])


def test_of_no_pictures_there_is_nothing_to_say():
    said = detection_figures([], [])
    assert said["faces"] == 0 and said["found"] is None and said["precision"] is None
    assert average_precision([], []) == 0.0


def test_an_empty_picture_without_a_find_is_right():
    said = figures(truth(), found())
    assert said["pictures_without_a_face"] == 1 and said["of_these_with_a_false_face"][0] == 0


def test_an_empty_picture_with_a_find_is_wrong():
    said = figures(truth(), found(LARGE))
    assert said["of_these_with_a_false_face"][0] == 1 and said["precision"][0] == 0


def test_all_found_and_nothing_else():
    said = figures(truth(LARGE, SMALL), found(LARGE, SMALL))
    assert said["found"][0] == said["precision"][0] == said["precision_raw"][0] == 1
    assert said["found_by_size"]["16-32 px"][0] == said["found_by_size"]["64 px on"][0] == 1
    assert said["found_by_size"]["32-64 px"] is None


def test_a_second_box_on_a_face_is_false():
    said = figures(truth(LARGE), found(LARGE, (2, 2, 72, 72)))
    assert said["found"][0] == 1 and said["precision"][0] == 0.5


def test_boxes_on_tiny_faces_count_neither_way():
    said = figures(truth(TINY, LARGE), found(TINY, LARGE))
    assert said["faces"] == 1 and said["precision_raw"][0] == 1


def test_boxes_on_what_only_a_teacher_saw_are_false_in_the_raw_figure_alone():
    said = figures(truth(LARGE, FAR, unmarked=[1]), found(LARGE, FAR))
    assert said["faces"] == 1
    assert said["precision"][0] == 1 and said["precision_raw"][0] == 0.5


def test_boxes_on_ignored_faces_count_neither_way():
    said = figures(truth(LARGE, FAR, ignored=[1]), found(LARGE, FAR))
    assert said["precision"][0] == said["precision_raw"][0] == 1


def test_a_box_that_overlaps_too_little_finds_nothing():
    matched = match(truth(LARGE), found((50, 50, 120, 120)))
    assert matched.face.tolist() == [-1] and matched.doubtful.tolist() == [False]


def test_average_precision_is_the_area_under_the_curve():
    truths = [truth(LARGE, FAR)]
    assert average_precision(truths, [found(LARGE, FAR)]) == pytest.approx(1.0)
    # Right, wrong, right: precision 1 up to half of the faces, then 2/3.
    one = found(LARGE, SMALL, FAR, scores=[0.9, 0.8, 0.7])
    assert average_precision(truths, [one]) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=12))
def test_average_precision_lies_between_0_and_1(rows):
    boxes = [
        (100 * i, 0, 100 * i + 50, 50) if hit else (100 * i, 500, 100 * i + 50, 550)
        for i, (_, hit) in enumerate(rows)
    ]
    marked = truth(*[(100 * i, 0, 100 * i + 50, 50) for i in range(len(rows))])
    value = average_precision([marked], [found(*boxes, scores=[score for score, _ in rows])])
    assert -1e-9 <= value <= sum(hit for _, hit in rows) / len(rows) + 1e-9


def test_landmarks_are_off_in_distances_between_the_eyes():
    points = np.array([[[10, 20], [50, 20], [30, 40], [15, 60], [45, 60]]], float)
    marked = truth(LARGE, landmarks=points)
    said = figures(marked, found(LARGE, landmarks=points + (4, 0)))
    assert said["landmark_error"]["mean"] == pytest.approx(0.1)
    assert figures(marked, found(LARGE))["landmark_error"] is None


def test_shares_by_group_are_of_the_largest_face():
    truths = [truth(LARGE, SMALL), truth(LARGE)]
    founds = [found(LARGE), found(SMALL)]
    shares = found_by_group({"women": [0], "men": [1], "all": [0, 1]}, truths, founds)
    assert shares["women"][0] == 1 and shares["men"][0] == 0 and shares["all"][0] == 0.5


class Finds:
    name = "finds"

    def __init__(self, *boxes):
        self.boxes = boxes

    def detect(self, frame_rgb):
        return found(*self.boxes)


@pytest.fixture
def data(tmp_path):
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), np.zeros((150, 150, 3), np.uint8))
    one = truth(LARGE, SMALL)
    picture = BoxPicture(file, one.xyxy, one.landmarks, one.ignored, "a")
    return BoxData("set", [], [], [picture], {})


def test_a_detector_is_measured_and_its_misses_are_drawn(data, tmp_path):
    measured = measure_detector(Finds(LARGE), data, "test")
    assert measured.figures["found"][0] == 0.5
    assert measured.figures["average_precision"] == pytest.approx(0.5)

    draw_misses(measured, tmp_path / "misses.png")

    sheet = load_image(tmp_path / "misses.png")
    assert (sheet == (255, 64, 64)).all(axis=-1).any(), "what was missed is not drawn"


def test_average_precision_is_that_of_the_generous_detector(data):
    measured = measure_detector(Finds(LARGE), data, "test", Finds(LARGE, SMALL))
    assert measured.figures["average_precision"] == pytest.approx(1.0)
    assert measured.figures["found"][0] == 0.5


def test_an_empty_split_is_refused(data):
    with pytest.raises(DataError, match="no picture of set falls into the val split"):
        measure_detector(Finds(), data, "val")
