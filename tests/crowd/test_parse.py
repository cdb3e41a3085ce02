"""Lines that are rows, and all that are not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.attributes import RACES_7
from facecli.core.faces import NAMED_HEADS
from facecli.crowd.rows import RowError, parse_row


def test_a_row_without_faces_is_a_row(row):
    result = parse_row(row("a.jpg"))
    assert (result.source, result.faces, result.error) == ("a.jpg", (), None)


def test_what_run_writes_is_read_back(face, row):
    text = row("ü\n.jpg", face(track=3), face(age=0.0), frame=7, time_s=0.28)
    result = parse_row(text)
    assert json.loads(text)["faces"][0]["track"] == result.faces[0].track == 3
    assert (result.source, result.frame, result.time_s) == ("ü\n.jpg", 7, 0.28)
    for head in NAMED_HEADS:
        found, written = result.faces[0].probabilities(head), face().probabilities(head)
        assert found == pytest.approx(written, abs=1e-3)
    assert result.faces[0].age_interval_90 == (22, 38)


def test_rows_with_and_without_seven_races_are_rows(row, face):
    seven = face(race_7_probabilities=dict.fromkeys(RACES_7, 1 / 7))
    text = row("a.jpg", face(), seven)
    assert "race_7" in json.loads(text)["faces"][1]
    one, other = parse_row(text).faces
    assert one == other


def test_a_rejected_face_and_unknown_keys_and_missing_heads():
    face = {"box_xyxy": [0, 0, 1, 1], "detector_confidence": 1, "rejected": True, "new": 1}
    row = {"source": "a", "faces": [face], "schema": 9}
    (face,) = parse_row(json.dumps(row)).faces
    assert face.rejected and face.age_years is None and face.gender is None


HUGE = 10**400
"""An int that JSON can hold and no float."""


def changed(row, face, key, value):
    document = json.loads(row("a.jpg", face(track=1)))
    (document["faces"][0] if key in document["faces"][0] else document)[key] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("source", 3), ("source", None), ("faces", None), ("faces", {}), ("faces", [1]), ("faces", [None]),
        ("error", 1), ("frame", -1), ("frame", 0.5), ("frame", True), ("time_s", "0"), ("width", "3"),
        ("box_xyxy", None), ("box_xyxy", [1, 2, 3]), ("box_xyxy", [1, 2, 3, "4"]),
        ("box_xyxy", [1, 2, 3, None]), ("box_xyxy", [0, 0, HUGE, 1]), ("box_xyxy", [0, 0, 1e300, 1]),
        ("source", "a" * 70_000), ("source", "\ud800"), ("error", "\udfff"), ("model", "m" * 2000),
        ("frame", HUGE), ("time_s", HUGE), ("time_s", 1e300), ("width", HUGE), ("track", HUGE),
        ("detector_confidence", HUGE), ("detector_confidence", -HUGE),
        ("age_years", HUGE), ("age_interval_90", [-HUGE, HUGE]), ("age_interval_90", [0, 1e308]),
        ("gender_probabilities", {"male": HUGE, "female": 1 - HUGE}),
        ("age_years", "30"), ("age_years", -1), ("age_years", 1e9), ("age_years", True), ("age_years", [30]),
        ("age_interval_90", [40, 20]), ("age_interval_90", [1]), ("age_interval_90", "20-40"),
        ("gender_probabilities", {"male": 1}), ("gender_probabilities", {"male": 0.2, "female": 0.2}),
        ("gender_probabilities", {"male": -1, "female": 2}), ("gender_probabilities", [0.5, 0.5]),
        ("race_probabilities", {"male": 0.5, "female": 0.5}), ("emotion_probabilities", "happy"),
    ],
)  # fmt: skip
def test_wrong_types_and_values_are_refused(row, face, key, value):
    with pytest.raises(RowError) as refused:
        parse_row(changed(row, face, key, value))
    assert not refused.value.is_syntax and "\n" not in str(refused.value)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(row, face, value):
    text = row("a.jpg", face()).replace('"age_years": 30.0', f'"age_years": {value}')
    with pytest.raises(RowError, match="age_years" if "e" in value else f"{value} is not a number of JSON"):
        parse_row(text)


@pytest.mark.parametrize("length", [0, 116, 118])
def test_a_distribution_of_another_length_is_refused(row, face, length):
    text = row("a.jpg", face(age_distribution=(1.0,) + (0.0,) * (length - 1) if length else ()))
    with pytest.raises(RowError, match="age_distribution"):
        parse_row(text)


@pytest.mark.parametrize(
    "text", ["", "{", "source,frame", "[" * 100_000, '{"source": "a", "faces": [' + "9" * 5000]
)
def test_what_is_no_json_is_said_to_be_none(text):
    with pytest.raises(RowError, match="not JSON") as refused:
        parse_row(text)
    assert refused.value.is_syntax


@pytest.mark.parametrize(
    "text",
    [
        '{"source": "a", "faces": [], "source": "b"}',
        '{"source": "a", "faces": [{"box_xyxy": [0, 0, 1, 1], "track": 1, "track": 2}]}',
        '{"source": "a", "faces": [], "unknown": NaN}',
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(text):
    with pytest.raises(RowError) as refused:
        parse_row(text)
    assert not refused.value.is_syntax


@pytest.mark.parametrize("text", ["3", "null", "[]", "{}", '"a"', '{"source": "a"}', '{"faces": []}'])
def test_json_that_is_no_row_is_refused(text):
    with pytest.raises(RowError, match="no row"):
        parse_row(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@given(JSON, st.sampled_from(("source", "faces", "frame", "error", "time_s", "width")))
def test_nothing_but_a_row_error_comes_of_any_json(value, key):
    row = {"source": "a", "faces": [], key: value}
    for text in (
        json.dumps(row),
        json.dumps({"source": "a", "faces": [{"box_xyxy": [0, 0, 1, 1], "age_years": value}]}),
    ):
        try:
            parse_row(text)
        except RowError as error:
            assert str(error)
