"""CSV: a header always, a row for each face, whole at any moment."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli import __version__, web
from facecli.core.errors import OutputError, SourceError
from facecli.core.faces import Face, FrameResult
from facecli.sinks import table
from facecli.sinks.base import Record
from facecli.sinks.rows import COLUMNS, CsvSink
from facecli.sinks.table import as_text_cell, csv_lines, from_text_cell

FACE = Face(
    (1, 2, 30, 40), 0.91234567, 31.46, (24, 40), {"male": 0.03, "female": 0.97}, {"white": 0.6, "black": 0.4},
    {"happy": 1.0}, 0.99, track=3,
)  # fmt: skip
BARE = Face((5, 6, 7, 8), 0.5)


def result(*faces, frame=0, source="clip.mp4"):
    return Record(FrameResult(source, 64, 48, faces, frame, frame / 25))


def rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_nobody_seen_is_a_header(tmp_path):
    path = tmp_path / "new" / "out.csv"
    with CsvSink(str(path), faces_only=True) as sink:
        sink.write(result())
    assert path.read_text() == ",".join(COLUMNS) + "\n"


def test_no_frame_at_all_is_a_header_too(tmp_path):
    path = tmp_path / "out.csv"
    with CsvSink(str(path), faces_only=True):
        pass
    assert path.read_text() == ",".join(COLUMNS) + "\n"


def test_a_face_is_a_row(tmp_path):
    path = tmp_path / "out.csv"
    with CsvSink(str(path), faces_only=True) as sink:
        sink.write(result(FACE, BARE, frame=5))
        sink.write(result(FACE, frame=6))
    first, bare, last = rows(path)
    assert first == {
        "source": "clip.mp4", "frame": "5", "time_s": "0.2", "track": "3",
        "x_min": "1", "y_min": "2", "x_max": "30", "y_max": "40",
        "detector_confidence": "0.9123", "roll_degrees": "", "yaw_degrees": "",
        "pitch_degrees": "", "quality": "", "face_probability": "0.99", "rejected": "0", "uncertain": "",
        "age_years": "31.5", "age_low": "24", "age_high": "40", "age_group": "30-39",
        "gender": "female", "gender_probability": "0.97", "race": "white", "race_probability": "0.6",
        "race_7": "", "race_7_probability": "", "emotion": "happy", "emotion_probability": "1.0",
        "face": "1", "width": "64", "height": "48", "error": "", "model": "", "facecli": __version__,
    }  # fmt: skip
    assert last["frame"] == "6"
    known = {"source", "frame", "time_s", "x_min", "y_min", "x_max", "y_max", "detector_confidence"}
    known |= {"face", "width", "height", "facecli"}
    assert {key for key, cell in bare.items() if cell} == known


def test_a_frame_without_a_face_has_a_row_where_that_is_wanted(tmp_path):
    path = tmp_path / "out.csv"
    with CsvSink(str(path)) as sink:
        sink.write(result(frame=5))
    assert [(row["frame"], row["face"]) for row in rows(path)] == [("5", "")]


def test_one_of_seven_races_stands_beside_one_of_five(tmp_path):
    path = tmp_path / "out.csv"
    with CsvSink(str(path), faces_only=True) as sink:
        sink.write(result(replace(FACE, race_7_probabilities={"indian": 0.7, "white": 0.3})))
    (row,) = rows(path)
    assert (row["race"], row["race_7"], row["race_7_probability"]) == ("white", "indian", "0.7")


def test_a_refused_box_says_so(tmp_path):
    path = tmp_path / "out.csv"
    with CsvSink(str(path), faces_only=True) as sink:
        sink.write(result(Face((1, 2, 3, 4), 0.9, face_probability=0.1, rejected=True)))
    assert rows(path)[0]["rejected"] == "1"


def test_rows_can_be_read_while_the_sink_is_open(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    with CsvSink(str(path), faces_only=True) as sink:
        assert path.read_text() == "old"
        for written in (1, 2, 3):
            sink.write(result(FACE, frame=written))
            assert len(rows(path)) == written
    assert list(tmp_path.iterdir()) == [path]


def test_commas_quotes_and_letters_of_all_kinds_come_back(tmp_path):
    path, name = tmp_path / "out.csv", 'a, "b"\nü.mp4'
    with CsvSink(str(path), faces_only=True) as sink:
        sink.write(result(FACE, source=name))
    assert rows(path)[0]["source"] == name


def test_rows_survive_an_interruption(tmp_path):
    path = tmp_path / "out.csv"
    with pytest.raises(KeyboardInterrupt), CsvSink(str(path), faces_only=True) as sink:
        sink.write(result(FACE))
        raise KeyboardInterrupt
    assert len(rows(path)) == 1


@pytest.mark.parametrize(("error", "text"), [(SourceError("x"), "old"), (KeyboardInterrupt(), None)])
def test_a_source_that_fails_at_once_leaves_the_old_file(tmp_path, error, text):
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(type(error)), CsvSink(str(path), faces_only=True):
        raise error
    assert path.read_text() == (text or ",".join(COLUMNS) + "\n")


def test_dash_is_standard_output_and_stays_open():
    stdout = io.StringIO()
    with CsvSink("-", faces_only=True, stdout=stdout) as sink:
        sink.write(result(FACE))
    assert stdout.getvalue().count("\n") == 2


def test_target_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    with pytest.raises(OutputError, match="is a folder"):
        CsvSink(str(tmp_path)).__enter__()


NAMES = st.text() | st.text(alphabet="=+-@\t\r\n'\" a1\uff1d")
"""Of the second kind nearly every one is a formula, or looks like one that was made harmless."""


@given(NAMES)
def test_no_text_is_a_formula_and_each_comes_back(name):
    cell = as_text_cell(name)
    assert not cell.lstrip(' "').startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"))
    assert from_text_cell(cell) == name
    assert cell in (name, f"'{name}")


@given(st.lists(NAMES | st.integers() | st.floats() | st.none(), min_size=1))
def test_numbers_stay_numbers_and_raw_is_raw(row):
    def read(is_raw):
        return next(csv.reader(io.StringIO(csv_lines([row], is_raw), newline="")))

    as_they_are = ["" if value is None else str(value) for value in row]
    assert read(is_raw=True) == as_they_are
    assert [
        from_text_cell(cell) if isinstance(value, str) else cell
        for value, cell in zip(row, read(False), strict=True)
    ] == (as_they_are)


def test_what_a_spreadsheet_would_run_is_text(tmp_path):
    wicked = Record(replace(result(FACE, source="=1+1.jpg").result, error="@SUM(A1)", model="-m"))
    for is_raw, expected in (
        (False, ["'=1+1.jpg", "'@SUM(A1)", "'-m"]),
        (True, ["=1+1.jpg", "@SUM(A1)", "-m"]),
    ):
        path = tmp_path / f"{is_raw}.csv"
        with CsvSink(str(path), more={"=1: age": ("age",)}, is_raw=is_raw) as sink:
            sink.write(wicked)
        (row,) = rows(path)
        assert [row[name] for name in ("source", "error", "model")] == expected
        assert ("'=1: age" in row) != is_raw and row["age_years"] == "31.5"


def test_the_page_makes_the_same_texts_harmless():
    script = (Path(web.__file__).parent / "static" / "downloads.js").read_text(encoding="utf-8")
    assert re.search(r"const FORMULA = /\^(.*)/;", script)[1] == table._FORMULA.pattern
