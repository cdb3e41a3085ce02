"""What an interrupted run left behind."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_fakes import FACE, record

from facecli.core.errors import InputError
from facecli.sinks.rows import COLUMNS, CsvSink, JsonSink, resume_csv, resume_json

RECORDS = [
    record("a.jpg", [FACE, FACE]),
    record('b,\n"ü".jpg'),
    record("none.jpg", []),
    record("bad.jpg", [], error="bad.jpg is empty (0 bytes)"),
    record("a.jpg", [FACE]),
    record("a.jpg", [FACE]),
]


def written(kind, target, records=RECORDS):
    with kind(str(target)) as sink:
        for one in records:
            sink.write(one)
    return target.read_bytes()


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    return written(JsonSink, folder / "a.jsonl"), written(CsvSink, folder / "a.csv")


def test_whole_json_is_all_done(texts, tmp_path):
    target = tmp_path / "a.jsonl"
    target.write_bytes(texts[0])
    journal = resume_json(target)
    assert journal.rows["a.jpg"] == 3 and journal.rows['b,\n"ü".jpg'] == 1
    assert journal.failures == {"bad.jpg": "bad.jpg is empty (0 bytes)"}
    assert target.read_bytes() == texts[0] and journal.end == len(texts[0])
    assert [journal.take("a.jpg") for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("kind", [0, 1])
@given(data=st.data())
def test_cut_anywhere_and_resumed_the_rows_are_those_of_an_unbroken_run(kind, data, texts, tmp_path_factory):
    cut = data.draw(st.integers(0, len(texts[kind])))
    target = tmp_path_factory.mktemp("cut") / "rows"
    target.write_bytes(texts[kind][:cut])
    with (JsonSink, CsvSink)[kind](str(target), resume=True) as sink:
        for one in RECORDS:
            if not sink.journal.take(one.source):
                sink.write(one)
    assert sorted(target.read_bytes().splitlines()) == sorted(texts[kind].splitlines())


@pytest.mark.parametrize("is_raw", [False, True])
def test_names_that_a_spreadsheet_would_run_are_found_again(is_raw, tmp_path):
    target = str(tmp_path / "a.csv")
    names = ["=1.jpg", "'=1.jpg", "'a.jpg", "-", "b.jpg"]
    for _ in range(2):
        with CsvSink(target, resume=True, is_raw=is_raw) as sink:
            for name in names:
                if not sink.journal.take(name):
                    sink.write(record(name, error="-why"))
    assert sink.journal.failures == dict.fromkeys(names, "-why")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + len(names)


@pytest.mark.parametrize("kind", [JsonSink, CsvSink])
@pytest.mark.parametrize("resumes", [(True, True), (False, True), (True, False), (False, False)])
def test_one_run_at_a_time_writes_to_a_file(kind, resumes, tmp_path):
    target = tmp_path / "rows"
    with kind(str(target), resume=resumes[0]) as first:
        first.write(RECORDS[0])
        with pytest.raises(InputError, match=r"rows is being written by another run"):
            kind(str(target), resume=resumes[1]).__enter__()
        first.write(RECORDS[1])
    with kind(str(target), resume=True) as after:
        assert after.journal.rows["a.jpg"] == 1
    assert list(tmp_path.iterdir()) == [target]


def test_two_runs_that_begin_at_once_do_not_replace_each_other(tmp_path):
    target = str(tmp_path / "rows")
    with JsonSink(target) as one:
        with pytest.raises(InputError, match="another run"), JsonSink(target) as other:
            one.write(RECORDS[0])
            other.write(RECORDS[1])
        one.write(RECORDS[1])
    assert len((tmp_path / "rows").read_text().splitlines()) == 2
    with JsonSink(str(tmp_path / "new"), resume=True), pytest.raises(InputError, match="another run"):
        JsonSink(str(tmp_path / "new"), resume=True).__enter__()
    assert not (tmp_path / "new").exists(), "what holds nothing is not kept"


def test_the_lock_of_a_killed_run_is_gone(tmp_path):
    target = tmp_path / "rows"
    code = (
        "import sys, time; from facecli.sinks.rows import JsonSink; from picture_fakes import record; "
        "sink = JsonSink(sys.argv[1], resume=True).__enter__(); sink.write(record()); print(flush=True); "
        "time.sleep(99)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as other:
        other.stdout.readline()
        with pytest.raises(InputError, match="another run"):
            JsonSink(str(target), resume=True).__enter__()
        other.kill()
    with JsonSink(str(target), resume=True) as sink:
        assert sink.journal.rows["a.jpg"] == 1


@pytest.mark.parametrize(
    "row",
    [
        '{"source": "a", "faces": [], "error": 3}',
        '{"source": "a", "faces": ' + "[" * 99999,
        '{"source": "a"}',
    ],
)
def test_rows_of_others_are_no_rows_to_go_on_from(row, tmp_path):
    (tmp_path / "x").write_text(row + "\n")
    with pytest.raises(InputError, match="line 1"):
        JsonSink(str(tmp_path / "x"), resume=True).__enter__()
    assert (tmp_path / "x").read_text() == row + "\n"


def test_zeros_after_a_crash_of_the_machine_are_cut_off(texts, tmp_path):
    target = tmp_path / "a.jsonl"
    target.write_bytes(texts[0][:-9] + bytes(50))
    assert sum(resume_json(target).rows.values()) == len(RECORDS) - 1
    assert texts[0].startswith(target.read_bytes())


@pytest.mark.parametrize(
    "content",
    [
        b"my notes",
        b"my notes\n",
        b'{"a": 1}\n',
        b"[1]\n",
        b"\x89PNG\r\n\x1a\n",
        b'{"source": 3, "faces": []}\n',
    ],
)
def test_other_files_are_refused_and_left_alone(content, tmp_path):
    for kind in (resume_json, lambda target: resume_csv(target, COLUMNS)):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(InputError):
            kind(tmp_path / "x")
        assert (tmp_path / "x").read_bytes() == content


def test_damage_in_the_middle_names_the_line(texts, tmp_path):
    lines = texts[0].splitlines(keepends=True)
    (tmp_path / "x").write_bytes(lines[0] + lines[1][:20] + b"\n" + lines[2])
    with pytest.raises(InputError, match="line 2"):
        resume_json(tmp_path / "x")


def test_table_with_other_columns_is_refused(texts, tmp_path):
    (tmp_path / "x").write_bytes(texts[1])
    with pytest.raises(InputError, match="same options"):
        resume_csv(tmp_path / "x", (*COLUMNS, "age_band"))


def test_last_picture_of_a_table_is_done_again(texts, tmp_path):
    (tmp_path / "x").write_bytes(texts[1])
    journal = resume_csv(tmp_path / "x", COLUMNS)
    assert journal.rows["a.jpg"] == 2 and texts[1].startswith((tmp_path / "x").read_bytes())
    assert json.dumps(journal.failures) == '{"bad.jpg": "bad.jpg is empty (0 bytes)"}'
