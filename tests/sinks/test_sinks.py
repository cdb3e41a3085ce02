"""JSON lines: flushed, whole, and the old file safe."""

import io
import json
import os

import pytest

from facecli.core.errors import OutputError
from facecli.core.faces import FrameResult
from facecli.sinks.base import Record, count
from facecli.sinks.rows import JsonSink

ROW = Record(FrameResult("ü.jpg", 4, 3))


def test_without_a_row_the_old_file_stays_and_nothing_else(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    with JsonSink(str(path)):
        pass
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_rows_can_be_read_while_the_sink_is_open(tmp_path):
    path = tmp_path / "new" / "out.jsonl"
    with JsonSink(str(path)) as sink:
        for written in (1, 2, 3):
            sink.write(ROW)
            rows = path.read_text(encoding="utf-8").splitlines()
            assert [json.loads(row) for row in rows] == [ROW.result.to_json()] * written
    assert list(path.parent.iterdir()) == [path]


def test_old_file_is_replaced_not_continued(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("old\n")
    with JsonSink(str(path)) as sink:
        sink.write(ROW)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1


def test_rows_survive_an_interruption(tmp_path):
    path = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt), JsonSink(str(path)) as sink:
        sink.write(ROW)
        raise KeyboardInterrupt
    assert json.loads(path.read_text(encoding="utf-8")) == ROW.result.to_json()


def test_dash_is_standard_output_and_stays_open():
    stdout = io.StringIO()
    with JsonSink("-", stdout=stdout) as sink:
        sink.write(ROW)
    assert json.loads(stdout.getvalue())["source"] == "ü.jpg"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_is_one_error():
    with pytest.raises(OutputError, match="cannot write /dev/full"), JsonSink("/dev/full") as sink:
        sink.write(ROW)
    assert os.path.exists("/dev/full")


def test_target_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    with pytest.raises(OutputError, match="is a folder"):
        JsonSink(str(tmp_path)).__enter__()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        JsonSink(str(tmp_path / "file" / "out.jsonl")).__enter__()


@pytest.mark.parametrize(("number", "text"), [(0, "0 faces"), (1, "1 face"), (2, "2 faces")])
def test_count(number, text):
    assert count(number, "face") == text


def test_a_row_that_fits_only_in_part_is_taken_back(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "out.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with JsonSink(str(path)) as sink:
        sink.write(ROW)
        sink.write(ROW)
        whole = path.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 20, before[1]))
        try:
            with pytest.raises(OutputError, match="cannot write"):
                sink.write(ROW)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == whole
