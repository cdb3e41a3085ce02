"""Heads as records, and the names that further ones may have."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.attributes import (
    CLASS_NAMES,
    FACE_HEADS,
    HEAD_CLASSES,
    HEADS,
    MOST_CLASSES,
    NAMED_HEADS,
    RESERVED,
    label_column,
    wrong_in_head,
)
from facecli.core.faces import Face, FaceRow, FrameResult
from facecli.crowd.figures import document, figures_of
from facecli.crowd.gather import gather
from facecli.crowd.rows import Reading, parse_row
from facecli.sinks.rows import COLUMNS
from facecli.sinks.summary import People, Person, summarize_people

YES = ("no", "yes")
BOX = (0, 0, 9, 9)


def test_the_tables_of_heads_come_of_their_records():
    assert [head.name for head in HEADS] == list(HEAD_CLASSES)
    assert set(NAMED_HEADS) <= set(FACE_HEADS) <= set(CLASS_NAMES)
    assert label_column("age") == "age_years" and label_column("glasses") == "glasses"


@pytest.mark.parametrize(
    ("name", "classes", "said"),
    [
        ("glasses", (), "no classes"),
        ("glasses", ("yes",), "'yes' alone"),
        ("glasses", tuple(map(str, range(500))), "500 classes"),
        ("glasses", ("no", "no"), "one name"),
        ("glasses", ("no", "a,b"), "comma"),
        ("glasses", ("no", ""), "short text"),
        ("glasses", ("no", "uncertain"), "uncertain"),
        ("glasses", ("no", "two\nlines"), "short text"),
        ("glasses", ("no", "x" * 41), "short text"),
        ("gender", YES, "knows already"),
        ("age", YES, "knows already"),
        ("Glasses", YES, "small letters"),
        ("my glasses", YES, "small letters"),
        ("g" * 31, YES, "30 at most"),
        ("", YES, "small letters"),
        ("__proto__", YES, "small letters"),
        ("quality", YES, "another use"),
        ("constructor", YES, "another use"),
        ("gender_probability", YES, "another use"),
    ],
)
def test_what_can_be_no_head_is_said_in_a_line(name, classes, said):
    wrong = wrong_in_head(name, classes)
    assert wrong is not None and said in wrong and "\n" not in wrong


def test_what_can_be_a_head():
    assert wrong_in_head("glasses", YES) is None
    assert wrong_in_head("hair_colour2", tuple(f"class {n}" for n in range(MOST_CLASSES))) is None


def test_no_head_is_called_as_what_rows_and_documents_call_something_else():
    people = People()
    people.by_track[1] = Person(0.0)
    taken = {*COLUMNS, *FaceRow.__annotations__, *Face((0, 0, 1, 1), 1.0).to_json()}
    taken |= {*FrameResult("a", 1, 1).to_json(), *summarize_people(people, None), *Person(0.0).to_json(1)}
    taken |= {*document(figures_of(gather([]), {}), Reading(), "")}
    free = [name for name in taken if name not in RESERVED and wrong_in_head(name, YES) is None]
    assert free == []


@given(st.text(max_size=40), st.lists(st.text(max_size=45), max_size=5))
def test_any_name_and_classes_are_a_head_or_a_line(name, classes):
    wrong = wrong_in_head(name, classes)
    assert wrong is None or wrong.isprintable()
    if wrong is None:
        # Whatever is a head comes back out of the row that it was written into.
        shares = {one: float(index == 0) for index, one in enumerate(classes)}
        row = FrameResult("a.jpg", 9, 9, (Face(BOX, 1.0, further={name: shares}),)).to_json()
        assert row["faces"][0][name] == classes[0]
        assert parse_row(json.dumps(row)).faces[0].further == {name: shares}


def test_a_face_without_heads_has_none():
    face = Face(BOX, 1.0)
    assert face.heads == face.named_heads == () and face.probabilities("glasses") is None
    assert face.label("glasses") is None and face.likeliest_class("glasses") is None
    assert "uncertain" not in face.to_json()


def test_a_further_head_is_shown_and_written_like_the_others():
    face = Face(
        BOX,
        1.0,
        gender_probabilities={"male": 0.3, "female": 0.7},
        further={"glasses": {"no": 0.1, "yes": 0.9}},
    )
    assert face.heads == face.named_heads == ("gender", "glasses")
    assert face.label("glasses") == "yes 90%" and face.likeliest_class("glasses") == "yes"
    row = face.to_json()
    assert row["glasses"] == "yes" and row["glasses_probabilities"] == {"no": 0.1, "yes": 0.9}
    assert list(row)[-3:] == ["glasses", "glasses_probabilities", "uncertain"]
