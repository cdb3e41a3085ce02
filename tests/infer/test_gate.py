"""What the model takes for no face is marked, and nothing else is said of it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from facecli.core.faces import Face
from facecli.infer.analyzer import mark_rejected

KNOWN = Face((1, 2, 30, 40), 0.7, 32.0, (26, 39), {"male": 0.1, "female": 0.9})


def test_no_faces():
    assert mark_rejected([], 0.5) == []


def test_a_refused_box_keeps_its_place_and_loses_its_labels():
    (refused,) = mark_rejected([replace(KNOWN, face_probability=0.2)], 0.5)
    assert refused == Face((1, 2, 30, 40), 0.7, face_probability=0.2, rejected=True)
    assert refused.to_json() == {
        "box_xyxy": [1, 2, 30, 40],
        "detector_confidence": 0.7,
        "face_probability": 0.2,
        "rejected": True,
    }
    assert refused.rejection() == "not a face 80%"


def test_without_a_threshold_or_a_probability_all_are_believed():
    doubtful = replace(KNOWN, face_probability=0.0)
    assert mark_rejected([doubtful], None) == [doubtful]
    assert mark_rejected([KNOWN], 0.5) == [KNOWN]


@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0, 1))
def test_order_stays_and_exactly_what_is_below_the_threshold_is_refused(probabilities, threshold):
    faces = [replace(KNOWN, face_probability=value) for value in probabilities]
    marked = mark_rejected(faces, threshold)
    assert [face.face_probability for face in marked] == probabilities
    assert [face.rejected for face in marked] == [value < threshold for value in probabilities]
