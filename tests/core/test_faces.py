"""The JSON row: keys, plain numbers, absent heads."""

import dataclasses
import json
import math

import numpy as np
import pytest

from facecli import __version__
from facecli.core.attributes import CLASS_NAMES, RACES_7
from facecli.core.crops import CHIP_LANDMARKS
from facecli.core.faces import FACE_HEADS, NAMED_HEADS, UNCERTAIN, Face, FrameResult, percent

GENDER = {"male": 0.25, "female": 0.75}
RACE = {"white": 0.1, "black": 0.2, "asian": 0.5, "indian": 0.1, "other": 0.1}
EMOTION = {"angry": 0.1, "happy": 0.5, "sad": 0.4}
RACE_7 = dict(zip(RACES_7, (0.3, 0.1, 0.05, 0.2, 0.2, 0.1, 0.05), strict=True))


def test_frame_without_faces_is_a_row_with_an_empty_list():
    assert FrameResult("a.jpg", 4, 3).to_json() == {
        "source": "a.jpg",
        "frame": 0,
        "time_s": 0.0,
        "width": 4,
        "height": 3,
        "faces": [],
        "error": None,
        "model": None,
        "facecli": __version__,
    }


@pytest.mark.parametrize(
    ("age", "read"), [(None, None), (0.04, 0), (24.5, 25), (25.44, 25), (25.46, 26), (25.5, 26), (116.0, 116)]
)
def test_overlay_and_web_page_round_the_same_age(age, read):
    """A page has the JSON row alone and rounds half years up."""
    face = Face((1, 2, 3, 4), 0.9, age)
    assert face.whole_years == read
    if age is not None:
        assert int(face.to_json()["age_years"] + 0.5) == read


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (0.0004, "0%"), (0.004, "<1%"), (0.005, "1%"), (0.985, "99%"), (0.98499, "99%"), (1, "100%")],
)
def test_percentages_are_those_of_the_row_with_halves_rounded_up(share, text):
    assert percent(share) == text


def test_row_of_a_face_has_exactly_the_promised_keys():
    row = Face((1, 2, 3, 4), 0.98765, 31.44, (24, 40), GENDER, RACE).to_json()
    assert row == {
        "box_xyxy": [1, 2, 3, 4],
        "detector_confidence": 0.9877,
        "age_years": 31.4,
        "age_interval_90": [24, 40],
        "age_group": "30-39",
        "gender": "female",
        "gender_probabilities": GENDER,
        "race": "asian",
        "race_probabilities": RACE,
        "uncertain": [],
    }


def test_keys_of_absent_heads_are_left_out():
    assert set(Face((0, 0, 1, 1), 1.0).to_json()) == {"box_xyxy", "detector_confidence"}
    assert Face((0, 0, 1, 1), 1.0).gender is None
    assert "race" not in Face((0, 0, 1, 1), 1.0, gender_probabilities=GENDER).to_json()


def test_number_of_the_person_comes_first_and_only_in_streams():
    row = Face((1, 2, 3, 4), 0.9, track=7).to_json()
    assert list(row) == ["track", "box_xyxy", "detector_confidence"] and row["track"] == 7
    assert "track" not in Face((1, 2, 3, 4), 0.9).to_json()


def test_emotion_comes_after_race():
    row = Face((1, 2, 3, 4), 0.9, 31.44, (24, 40), GENDER, RACE, EMOTION).to_json()
    assert list(row)[-5:-1] == ["race", "race_probabilities", "emotion", "emotion_probabilities"]
    assert list(row)[-1] == "uncertain" and row["uncertain"] == []
    assert (row["emotion"], row["emotion_probabilities"]) == ("happy", EMOTION)


def test_seven_races_come_after_the_five():
    face = Face((1, 2, 3, 4), 0.9, None, None, GENDER, RACE, EMOTION, race_7_probabilities=RACE_7)
    row = face.to_json()
    assert list(row)[-7:-3] == ["race", "race_probabilities", "race_7", "race_7_probabilities"]
    assert (row["race_7"], row["race_7_probabilities"]) == ("white", RACE_7)
    assert face.label("race_7") == "white 30%"


def test_every_head_that_describes_a_face_has_its_field():
    face = Face((0, 0, 1, 1), 1.0)
    assert [face.probabilities(head) for head in FACE_HEADS] == [None] * len(FACE_HEADS)
    assert [getattr(face, head) for head in FACE_HEADS] == [None] * len(FACE_HEADS)
    assert FACE_HEADS == ("gender", "race", "race_7", "emotion") and "race_7" not in NAMED_HEADS
    assert set(NAMED_HEADS) <= set(CLASS_NAMES) and "emotion" in NAMED_HEADS and "face" not in NAMED_HEADS


def test_labels_that_are_better_not_believed_read_uncertain_and_are_named_in_json():
    face = Face((0, 0, 1, 1), 1.0, gender_probabilities=GENDER)
    assert face.label("gender") == "female 75%" and face.label("race") is None
    doubtful = dataclasses.replace(face, uncertain=("gender",))
    assert doubtful.label("gender") == UNCERTAIN and doubtful.label("race") is None
    assert doubtful.to_json() == face.to_json() | {"uncertain": ["gender"]}


def test_a_row_tells_which_way_the_head_is_turned_and_how_well_it_is_seen():
    points = tuple((100 * x, 100 * y) for x, y in CHIP_LANDMARKS)
    row = Face((0, 0, 100, 100), 1.0, landmarks=points, quality=0.8125).to_json()
    assert (row["roll_degrees"], row["quality"]) == (pytest.approx(0, abs=1), 0.812)
    assert abs(row["yaw_degrees"]) < 8 and abs(row["pitch_degrees"]) < 8
    assert not {"roll_degrees", "yaw_degrees", "quality"} & set(Face((0, 0, 1, 1), 1.0).to_json())


def test_age_group_is_that_of_the_age_that_is_shown():
    row = Face((0, 0, 1, 1), 1.0, 29.96, (20, 40)).to_json()
    assert (row["age_years"], row["age_group"]) == (30.0, "30-39")


def test_numpy_numbers_become_plain_ones():
    face = Face(
        tuple(np.array([0, 0, 5, 5], np.int32)), np.float32(0.5), np.float64(20), (np.int64(1), np.int64(2))
    )
    row = FrameResult("x", 1, 1, (face,), time_s=np.float64(0.12345)).to_json()
    assert json.loads(json.dumps(row)) == row
    assert row["time_s"] == 0.123


@pytest.mark.parametrize("source", ["", "ü ñ.jpg", 'a "b".png'])
def test_sources_survive_json(source):
    row = FrameResult(source, None, None, error="broken").to_json()
    assert json.loads(json.dumps(row))["source"] == source


AGED = {"age_years": 31.44, "age_interval_90": (24, 40)}
SURE_OF_30 = tuple(float(year == 30) for year in range(117))


def test_bands_add_the_most_probable_one():
    row = Face((1, 2, 3, 4), 0.9, **AGED, age_bands={"0-24": 0.1, "25-49": 0.85555, "50+": 0.04445}).to_json()
    assert list(row)[-3:] == ["age_group", "age_band", "age_band_probability"]
    assert (row["age_band"], row["age_band_probability"]) == ("25-49", 0.8556)


def test_details_add_the_distribution_and_all_bands():
    bands = {"0-24": 0.0, "25+": 1.0}
    row = Face((1, 2, 3, 4), 0.9, **AGED, age_bands=bands, age_distribution=SURE_OF_30).to_json()
    assert row["age_band_probabilities"] == bands
    assert row["age_distribution"] == list(SURE_OF_30)
    assert "age_band" not in Face((1, 2, 3, 4), 0.9, **AGED, age_distribution=SURE_OF_30).to_json()


def test_compared_models_have_their_own_labels_and_no_box():
    first = Face((1, 2, 3, 4), 0.9, **AGED)
    other = Face((1, 2, 3, 4), 0.9, gender_probabilities=GENDER)
    row = dataclasses.replace(first, by_model={"one": first, "other": other}).to_json()
    assert row["age_years"] == 31.4 and "gender" not in row
    assert row["models"] == {
        "one": {"age_years": 31.4, "age_interval_90": [24, 40], "age_group": "30-39"},
        "other": {"gender": "female", "gender_probabilities": GENDER, "uncertain": []},
    }


@pytest.mark.parametrize(("uncertain", "label"), [((), "25+ 75%"), (("age_band",), UNCERTAIN)])
def test_band_for_people(uncertain, label):
    face = Face((1, 2, 3, 4), 0.9, **AGED, uncertain=uncertain)
    assert face.band_label() is None
    assert dataclasses.replace(face, age_bands={"0-24": 0.25, "25+": 0.75}).band_label() == label


@pytest.mark.parametrize("degrees", [-170, -90, -30, 0, 45, 90, 179])
def test_roll_is_read_from_the_landmarks(degrees):
    angle = math.radians(degrees)
    upright = [(-20, -20), (20, -20), (0, 0), (-15, 20), (15, 20)]
    turned = tuple(
        (
            100 + x * math.cos(angle) - y * math.sin(angle),
            100 + x * math.sin(angle) + y * math.cos(angle),
        )
        for x, y in upright
    )
    face = Face((50, 50, 150, 150), 0.9, landmarks=turned)
    assert face.pose.roll == pytest.approx(degrees)
    assert face.to_json()["roll_degrees"] == pytest.approx(degrees, abs=0.06)


def test_without_landmarks_a_row_says_nothing_of_the_heads_turn():
    face = Face((0, 0, 9, 9), 0.9)
    assert face.pose is None
    assert "roll_degrees" not in face.to_json() and "landmarks" not in face.to_json()
