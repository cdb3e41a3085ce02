"""Rows for people."""

from facecli.faces import Face, FrameResult
from facecli.stream.table import COLUMNS, plain_table, table_rows

FACE = Face((1, 2, 3, 4), 0.9, 31.44, (24, 40), {"male": 0.2, "female": 0.8}, {"white": 0.9, "black": 0.1})


def test_nothing_is_a_header():
    assert list(plain_table([])) == ["  ".join(COLUMNS)]


def test_one_row_a_face():
    rows = list(table_rows([FrameResult("a.jpg", 9, 9, (FACE, FACE))]))
    assert rows == [("a.jpg", n, "1,2,3,4", "31.4", "24-40", "female 80%", "white 90%") for n in "12"]


def test_no_face_and_errors_are_said():
    rows = table_rows([FrameResult("a.jpg", 9, 9), FrameResult("b.jpg", None, None, error="it is broken")])
    assert [row[:2] for row in rows] == [("a.jpg", "no face"), ("b.jpg", "error: it is broken")]


def test_absent_heads_are_blank():
    (row,) = table_rows([FrameResult("a.jpg", 9, 9, (Face((1, 2, 3, 4), 0.9),))])
    assert row == ("a.jpg", "1", "1,2,3,4", "", "", "", "")


def test_plain_columns_are_aligned_and_notes_widen_none():
    results = FrameResult("a.jpg", 9, 9, (FACE,)), FrameResult("long name.jpg", 1, 1, error="x" * 200)
    header, first, note = plain_table(list(table_rows(results)))
    assert header.index("box") == first.index("1,2,3,4") < 30
    assert note.endswith("x" * 200)
