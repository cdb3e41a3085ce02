"""JSON lines and tables of pictures, and what a resumed run leaves out."""

import csv
import json
from dataclasses import replace

import pytest
from picture_fakes import FACE, item, record

from facecli.core.errors import OutputError
from facecli.core.faces import Face
from facecli.sinks.rows import COLUMNS, CsvSink, JsonSink, flat_rows, remaining_items


def table(target):
    with open(target, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_nothing_written_is_a_header_in_a_table_and_no_json(tmp_path):
    with CsvSink(str(tmp_path / "a.csv")), JsonSink(str(tmp_path / "a.jsonl")):
        pass
    assert (tmp_path / "a.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert not (tmp_path / "a.jsonl").exists()


def test_a_run_that_fails_at_once_leaves_the_old_table(tmp_path):
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(OutputError), CsvSink(str(tmp_path / "a.csv")):
        raise OutputError("full")
    assert (tmp_path / "a.csv").read_text() == "old"


def test_every_picture_has_a_row(tmp_path):
    many = [record("a.jpg", [FACE, FACE]), record("b.jpg", []), record("c.jpg", [], error="c.jpg is empty")]
    with CsvSink(str(tmp_path / "a.csv")) as sink:
        for one in many:
            sink.write(one)
    rows = table(tmp_path / "a.csv")
    assert [(row["source"], row["face"], row["error"]) for row in rows] == [
        ("a.jpg", "1", ""), ("a.jpg", "2", ""), ("b.jpg", "", ""), ("c.jpg", "", "c.jpg is empty"),
    ]  # fmt: skip
    assert (rows[0]["gender"], rows[0]["gender_probability"], rows[0]["age_low"]) == ("female", "0.75", "20")
    assert (rows[2]["width"], rows[3]["width"], rows[0]["race"]) == ("30", "", "")
    assert {row["race_7"] for row in rows} == {row["race_7_probability"] for row in rows} == {""}


def test_the_seven_races_are_cells_of_the_table():
    face = replace(FACE, race_7_probabilities={"indian": 0.7, "white": 0.3})
    (row,) = flat_rows(record(faces=[face]))
    assert (row["race_7"], row["race_7_probability"]) == ("indian", 0.7)


def test_further_columns_are_found_in_the_json_row():
    compared = Face(
        (1, 1, 9, 9), 0.5, 30.0, (20, 40), by_model={"my.model": Face((1, 1, 9, 9), 0.5, 33.0, (20, 40))}
    )
    more = {"other age": ("models", "my.model", "age_years"), "band": ("age_band",)}
    assert [(row["other age"], row["band"]) for row in flat_rows(record(faces=[compared]), more)] == [
        (33.0, None)
    ]
    assert [row["band"] for row in flat_rows(record(faces=[]), more)] == [None]


def test_further_columns_are_found_in_what_is_said_of_the_picture():
    more = {"truncated": ("truncated",)}
    for faces in ([], [FACE]):
        for truncated, cell in ((True, True), (False, None)):
            shown = record(faces=faces)
            shown = shown._replace(result=replace(shown.result, truncated=truncated))
            assert [row["truncated"] for row in flat_rows(shown, more)] == [cell]


def test_json_is_the_result_alone(tmp_path):
    with JsonSink(str(tmp_path / "a.jsonl")) as sink:
        sink.write(record("line\nend ü.jpg"))
    (line,) = (tmp_path / "a.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line) == record("line\nend ü.jpg").result.to_json()


def test_resumed_run_without_a_file_begins_one(tmp_path):
    with JsonSink(str(tmp_path / "a.jsonl"), resume=True) as sink:
        assert list(remaining_items([item("a.jpg")], [sink], pytest.fail))
        sink.write(record("a.jpg"))
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 1


def test_sinks_that_have_different_rows_get_what_they_lack(tmp_path):
    paths = {JsonSink: tmp_path / "a.jsonl", CsvSink: tmp_path / "a.csv"}
    names = ["a.jpg", "b.jpg", "bad.jpg", "c.jpg"]
    many = [record(name, [], error="bad" if name == "bad.jpg" else None) for name in names]
    for kind, count in ((JsonSink, 3), (CsvSink, 2)):
        with kind(str(paths[kind])) as sink:
            for one in many[:count]:
                sink.write(one)
    skipped = []
    with (
        JsonSink(str(paths[JsonSink]), True) as first,
        CsvSink(str(paths[CsvSink]), True) as second,
    ):
        left = list(
            remaining_items(map(item, names), [first, second], lambda one, error: skipped.append(one.source))
        )
        assert skipped == ["a.jpg"] and [one.source for one in left] == names[1:]
        for one in many[1:]:
            for sink in (first, second):
                sink.write(one)
    assert [json.loads(line)["source"] for line in paths[JsonSink].read_text().splitlines()] == names
    assert [row["source"] for row in table(paths[CsvSink])] == names


def test_failures_of_the_first_run_are_told_again(tmp_path):
    target = str(tmp_path / "a.jsonl")
    with JsonSink(target) as sink:
        sink.write(record("bad.jpg", [], error="bad"))
    told = []
    with JsonSink(target, resume=True) as sink:
        assert not list(remaining_items([item("bad.jpg")], [sink], lambda one, error: told.append(error)))
    assert told == ["bad"]
