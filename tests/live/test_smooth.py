"""What many frames say together."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.attributes import MAX_AGE_YEARS
from facecli.core.faces import FACE_HEADS, Face
from facecli.live.analyzer import AgeEvidence, ClassEvidence, Evidence

FACE = Face((0, 0, 9, 9), 0.9, 30.0, (20, 42), {"male": 0.2, "female": 0.8}, face_probability=0.9)
ages = st.floats(0, MAX_AGE_YEARS)
reaches = st.floats(0, 40)
looks = st.lists(
    st.tuples(ages, reaches, reaches, st.floats(0.05, 1), st.floats(0, 5)), min_size=1, max_size=30
)


def age_after(*frames, passed_s=0.1):
    evidence = AgeEvidence()
    for age in frames:
        evidence.add(age, (age - 10, age + 12), 1.0, passed_s)
    return evidence.estimate()


def test_nothing_is_known_before_the_first_frame():
    assert Evidence().fields() == {}
    assert ClassEvidence(1.0).probabilities() == {}


def test_one_frame_says_what_it_says():
    evidence = Evidence()
    evidence.add(FACE, 3.0)
    assert replace(FACE, **evidence.fields()) == FACE


def test_every_head_is_smoothed():
    probabilities = {f"{head}_probabilities": {"a": 0.25, "b": 0.75} for head in FACE_HEADS}
    face = Face((0, 0, 9, 9), 0.9, **probabilities)
    evidence = Evidence()
    evidence.add(face, 0.0)
    evidence.add(replace(face, race_7_probabilities={"a": 0.75, "b": 0.25}), 0.0)
    assert evidence.fields()["race_7_probabilities"] == {"a": 0.5, "b": 0.5}
    assert set(evidence.fields()) == set(probabilities)


def test_heads_that_are_not_there_are_not_made_up():
    evidence = Evidence()
    evidence.add(Face((0, 0, 9, 9), 0.9, 30.0, (20, 42)), 0.0)
    assert set(evidence.fields()) == {"age_years", "age_interval_90"}


@given(looks)
def test_age_stays_within_what_was_seen_and_its_interval_holds_it(frames):
    evidence = AgeEvidence()
    for age, below, above, trust, passed_s in frames:
        evidence.add(age, (max(age - below, 0), min(age + above, MAX_AGE_YEARS)), trust, passed_s)
        years, (low, high) = evidence.estimate()
        assert min(frame[0] for frame in frames) - 1e-9 <= years <= max(frame[0] for frame in frames) + 1e-9
        assert 0 <= low <= years <= high <= MAX_AGE_YEARS


def test_a_few_odd_frames_do_not_move_the_age():
    assert age_after(*[30.0] * 20, 80.0, 3.0, *[30.0] * 5)[0] == pytest.approx(30)


def test_a_wrong_first_frame_is_forgotten():
    """Ten seconds after forty years of error what is left is little more than the play."""
    assert age_after(70.0, *[30.0] * 100)[0] == pytest.approx(30, abs=2.5)


def test_the_interval_narrows_with_time_down_to_a_floor():
    widths = [high - low for _, (low, high) in (age_after(*[30.0] * frames) for frames in (1, 20, 200, 2000))]
    assert widths == sorted(widths, reverse=True) and widths[0] > widths[-1]
    assert widths[0] == 22 and widths[-1] >= 0.8 * 22


def test_many_frames_of_one_moment_are_no_more_evidence_than_one():
    assert age_after(*[30.0] * 50, passed_s=0.0) == age_after(30.0)


def test_a_sure_frame_counts_more_than_an_unsure_one():
    evidence = AgeEvidence()
    evidence.add(30.0, (28, 32), 1.0, 0.0)
    for _ in range(100):
        evidence.add(34.0, (14, 74), 1.0, 0.1)
    assert evidence.estimate()[0] < 33


probabilities = st.lists(st.floats(0.001, 1), min_size=3, max_size=3)
classes = st.lists(st.tuples(probabilities, st.floats(0.05, 1), st.floats(0, 100)), min_size=1, max_size=20)


@given(classes, st.floats(0.1, 60))
def test_probabilities_sum_to_one_and_stay_within_what_was_seen(frames, half_life_s):
    evidence, seen = ClassEvidence(half_life_s), []
    for values, weight, passed_s in frames:
        seen.append([value / sum(values) for value in values])
        evidence.add(dict(zip("abc", seen[-1], strict=True)), weight, passed_s)
    known = evidence.probabilities()
    assert sum(known.values()) == pytest.approx(1)
    for index, name in enumerate("abc"):
        column = [row[index] for row in seen]
        assert min(column) - 1e-9 <= known[name] <= max(column) + 1e-9


def test_an_expression_passes_and_a_gender_stays():
    happy, angry = {"happy": 1.0, "angry": 0.0}, {"happy": 0.0, "angry": 1.0}
    evidence = Evidence()
    for step in range(50):
        evidence.add(replace(FACE, emotion_probabilities=happy), step / 10)
    for step in range(50, 62):
        changed = replace(
            FACE, emotion_probabilities=angry, gender_probabilities={"male": 1.0, "female": 0.0}
        )
        evidence.add(changed, step / 10)
    face = replace(FACE, **evidence.fields())
    assert (face.emotion, face.gender) == ("angry", "female")
