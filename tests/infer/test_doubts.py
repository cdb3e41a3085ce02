"""Which labels are better not believed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.attributes import GENDERS
from facecli.core.faces import Face
from facecli.infer.analyzer import Doubts, FaceSelection, ReadoutOptions, alignment_of, doubts_of, read_out
from facecli.models.readout import IDENTITY, Calibration

WOMAN = Face((0, 0, 9, 9), 0.9, gender_probabilities={"male": 0.3, "female": 0.7})
BOX = np.array([[0, 0, 9, 9]], np.int32)
SCORE = np.ones(1, np.float32)


def test_a_face_without_labels_leaves_no_doubt():
    assert doubts_of(IDENTITY).of(Face((0, 0, 9, 9), 0.9)) == ()


@pytest.mark.parametrize(("below", "names"), [(0.0, ()), (0.7, ()), (0.71, ("gender",))])
def test_a_model_says_of_each_head_what_is_doubtful(below, names):
    assert doubts_of(Calibration(uncertain_below={"gender": below})).of(WOMAN) == names


def test_who_asks_decides_in_place_of_the_model():
    calibration = Calibration(uncertain_below={"gender": 0.99}, lowest_quality=0.9)
    assert doubts_of(calibration, 0.0).of(WOMAN) == ()
    assert doubts_of(calibration, 0.8).of(WOMAN) == ("gender",)


def test_nothing_is_believed_of_a_face_that_is_hardly_seen():
    doubts = Doubts({}, quality=0.3)
    blurred = Face(**{**vars(WOMAN), "quality": 0.2, "age_bands": {"0-24": 0.1, "25+": 0.9}})
    assert doubts.of(blurred) == ("gender", "age_band")
    assert doubts.of(Face(**{**vars(WOMAN), "quality": 0.3})) == doubts.of(WOMAN) == ()


@given(st.floats(0.5, 1), st.floats(0, 1), st.floats(0, 1))
def test_who_asks_for_more_gets_more_doubts(probability, below, more):
    shares = np.array([[1 - probability, probability]], np.float32)
    few, many = (
        read_out(BOX, SCORE, {"gender": shares}, reading=ReadoutOptions(uncertain_below=asked))[0].uncertain
        for asked in sorted((below, more))
    )
    assert set(few) <= set(many) <= {"gender"} and len(GENDERS) == 2


def test_faces_are_chosen_by_quality_and_what_is_not_known_is_given():
    faces = [Face(**{**vars(WOMAN), "quality": quality}) for quality in (None, 0.1, 0.5)]
    assert [face.quality for face in FaceSelection(min_quality=0.4).of(faces)] == [None, 0.5]
    assert FaceSelection(min_quality=0.4).of([]) == []


def test_without_landmarks_there_is_nothing_to_judge_a_face_by():
    assert alignment_of(None, None) == alignment_of(np.full((5, 2), np.nan), 0.1) == (None, None)
    points = np.arange(10, dtype=np.float32).reshape(5, 2)
    assert alignment_of(points, None).quality is None and 0 <= alignment_of(points, 0.1).quality <= 1
