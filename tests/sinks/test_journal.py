"""What an interrupted run left behind."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_fakes import FACE, record

from facecli.core.errors import InputError
from facecli.sinks.journal import resume_csv, resume_json
from facecli.sinks.rows import COLUMNS, CsvSink, JsonSink

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
