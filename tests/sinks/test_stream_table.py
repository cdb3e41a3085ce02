"""Rows for people."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from facecli.core.faces import Face, FrameResult
from facecli.sinks.table import face_table, fit_path, plain_table

FACE = Face((1, 2, 3, 4), 0.9, 31.44, (24, 40), {"male": 0.2, "female": 0.8}, {"white": 0.9, "black": 0.1})
HEADER = ("face", "age", "90 %", "gender", "race", "picture")


def test_nothing_is_a_header():
    assert face_table([]) == [HEADER]
    assert list(plain_table(face_table([]))) == ["  ".join(HEADER)]


def test_one_row_a_face():
    header, *rows = face_table([FrameResult("a.jpg", 9, 9, (FACE, FACE))])
    assert header == HEADER
    assert rows == [(n, "31", "24-40", "female 80%", "white 90%", "a.jpg") for n in "12"]


def test_a_rejected_box_says_so():
    face = Face((1, 2, 3, 4), 0.9, face_probability=0.03, rejected=True)
    _, row = face_table([FrameResult("a.jpg", 9, 9, (face,))])
    assert row == ("1 (not a face 97%)", "", "", "", "", "a.jpg")


def test_no_face_and_errors_are_said():
    rows = face_table([FrameResult("a.jpg", 9, 9), FrameResult("b.jpg", None, None, error="it is broken")])
    blank = [""] * 4
    assert rows[1:] == [("none", *blank, "a.jpg"), ("error", *blank, "b.jpg: it is broken")]
    _, row = face_table([FrameResult("b.jpg", None, None, error="b.jpg is broken")])
    assert row[-1] == "b.jpg: is broken"
    _, row = face_table([FrameResult("b.jpg", None, None, error="b.jpg is broken")], says_why=False)
    assert row == ("error", *blank, "b.jpg")


def test_absent_heads_are_blank():
    _, row = face_table([FrameResult("a.jpg", 9, 9, (Face((1, 2, 3, 4), 0.9),))])
    assert row == ("1", "", "", "", "", "a.jpg")


def test_emotion_has_a_column_when_a_face_has_it():
    happy = dataclasses.replace(FACE, emotion_probabilities={"happy": 0.7, "sad": 0.3})
    table = face_table([FrameResult("a.jpg", 9, 9, (FACE, happy)), FrameResult("b.jpg", 9, 9)])
    assert table[0] == (*HEADER[:-1], "emotion", "picture")
    assert [row[-2] for row in table[1:]] == ["", "happy 70%", ""]
    assert len({len(row) for row in table}) == 1


def test_doubtful_labels_are_uncertain():
    doubtful = dataclasses.replace(FACE, uncertain=("gender",))
    _, row = face_table([FrameResult("a.jpg", 9, 9, (doubtful,))])
    assert row[-3:] == ("uncertain", "white 90%", "a.jpg")


def test_plain_columns_are_aligned_and_reasons_widen_none():
    results = FrameResult("a.jpg", 9, 9, (FACE,)), FrameResult("long name.jpg", 1, 1, error="x" * 200)
    header, first, note = plain_table(face_table(results))
    assert header.index("picture") == first.index("a.jpg") == note.index("long name.jpg") < 60
    assert note.endswith(": " + "x" * 200)


BANDED = dataclasses.replace(FACE, age_bands={"0-24": 0.25, "25-49": 0.75, "50+": 0.0})


def test_bands_have_a_column_when_a_face_has_them():
    header, first, second = face_table([FrameResult("a.jpg", 9, 9, (BANDED, FACE))])
    assert header == (*HEADER[:3], "age group", *HEADER[3:])
    assert (first[3], second[3]) == ("25-49 75%", "")
    doubtful = dataclasses.replace(BANDED, uncertain=("age_band",))
    (_, uncertain) = face_table([FrameResult("a.jpg", 9, 9, (doubtful,))])
    assert uncertain[3] == "uncertain"


def test_the_seven_races_have_a_column_among_details_only():
    face = dataclasses.replace(FACE, race_7_probabilities={"indian": 0.7, "white": 0.3})
    frame = FrameResult("a.jpg", 9, 9, (face,))
    assert face_table([frame])[0] == HEADER
    header, row = face_table([frame], details=", ")
    assert header == (*HEADER[:-1], "race_7", "box", "picture")
    assert row[-3:] == ("indian 70%, white 30%", "1,2,3,4", "a.jpg")


def test_details_are_all_classes_the_likeliest_first():
    _, row = face_table([FrameResult("a.jpg", 9, 9, (BANDED,))], details=" / ")
    assert row[3:6] == ("25-49 75% / 0-24 25%", "female 80% / male 20%", "white 90% / black 10%")


def test_details_have_decades_when_no_bands_were_asked_for():
    distribution = tuple({33: 0.75, 45: 0.25}.get(year, 0.0) for year in range(117))
    face = dataclasses.replace(FACE, age_distribution=distribution)
    header, row = face_table([FrameResult("a.jpg", 9, 9, (face,))], details=", ")
    assert header[3] == "age group" and row[3] == "30-39 75%, 40-49 25%"
    assert face_table([FrameResult("a.jpg", 9, 9, (face,))])[0] == HEADER


def test_compared_models_have_a_row_each():
    other = dataclasses.replace(FACE, race_probabilities=None, age_years=40.0)
    compared = dataclasses.replace(FACE, by_model={"one": FACE, "two": other})
    header, first, second, note = face_table(
        [FrameResult("a.jpg", 9, 9, (compared,)), FrameResult("b.jpg", 9, 9)]
    )
    assert header == ("face", "model", *HEADER[1:])
    assert first[:3] == ("1", "one", "31")
    assert second[:3] == ("1", "two", "40") and second[-2:] == ("", "a.jpg")
    assert note[0] == "none" and len(note) == len(header)


@pytest.mark.parametrize(
    ("path", "width", "fitting"),
    [
        ("", 5, ""),
        ("a/b.jpg", 7, "a/b.jpg"),
        ("folder/photo.jpg", 11, "\u2026/photo.jpg"),
        ("one/two/three/photo.jpg", 18, "\u2026/three/photo.jpg"),
        ("C:\\one\\photo.jpg", 12, "\u2026\\photo.jpg"),
        ("folder/a very long name.jpg", 12, "a ver\u2026me.jpg"),
        ("\u65e5\u672c/\u5bb6\u65cf.jpg", 10, "\u2026/\u5bb6\u65cf.jpg"),
        ("\u5bb6\u65cf\u306e\u5199\u771f.jpg", 9, "\u5bb6\u65cf\u2026.jpg"),
    ],
)
def test_long_paths_keep_their_end(path, width, fitting):
    assert fit_path(path, width) == fitting


@given(st.text(st.sampled_from("ab/\\. \u5bb6\u0301"), max_size=30), st.integers(1, 20))
def test_a_path_fits(path, width):
    assert cell_len(fit_path(path, width)) <= width
