"""Tables for data frames."""

import errno
import sys
from types import SimpleNamespace

import pytest
from picture_fakes import FACE, record

from facecli.core.errors import InputError, OutputError
from facecli.sinks.rows import ParquetSink


@pytest.fixture
def read():
    return pytest.importorskip("pyarrow.parquet").read_table


def test_without_pictures_there_are_columns(tmp_path, read):
    with ParquetSink(tmp_path / "a.parquet"):
        pass
    table = read(tmp_path / "a.parquet")
    assert table.num_rows == 0 and {
        "source",
        "error",
        "gender_female",
        "race_7_indian",
        "emotion_happy",
    } <= set(table.column_names)


def test_values_have_types(tmp_path, read, monkeypatch):
    monkeypatch.setattr("facecli.sinks.rows._ROWS_AT_ONCE", 2)
    many = [record("a.jpg", [FACE, FACE]), record("b.jpg", []), record("c.jpg", [], error="bad")]
    with ParquetSink(tmp_path / "a.parquet", {"age_band": ("age_band",)}) as sink:
        for one in many:
            sink.write(one)
    rows = read(tmp_path / "a.parquet").to_pylist()
    assert [row["source"] for row in rows] == ["a.jpg", "a.jpg", "b.jpg", "c.jpg"]
    assert (rows[0]["x_min"], rows[0]["age_years"], rows[0]["gender_female"], rows[0]["age_band"]) == (
        1,
        30,
        0.75,
        None,
    )
    assert (rows[2]["face"], rows[2]["gender_female"], rows[3]["error"]) == (None, None, "bad")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.parquet"]


def test_interrupted_run_leaves_a_whole_file_and_a_failed_one_the_old(tmp_path, read):
    with pytest.raises(KeyboardInterrupt), ParquetSink(tmp_path / "a.parquet") as sink:
        sink.write(record())
        raise KeyboardInterrupt
    assert read(tmp_path / "a.parquet").num_rows == 1
    with pytest.raises(OutputError), ParquetSink(tmp_path / "a.parquet") as sink:
        raise OutputError("full")
    assert read(tmp_path / "a.parquet").num_rows == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "a.parquet"]


def test_without_pyarrow_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install .*\[parquet\]'"), ParquetSink(tmp_path / "a"):
        pass
    assert not list(tmp_path.iterdir())


class FullDisk:
    """A ParquetWriter for which there is no room, first at `place`."""

    def __init__(self, place, file, schema):
        self.place = place
        file.write_bytes(b"PAR1, cut")
        self.fail_at("open")

    def fail_at(self, place):
        if place == self.place:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write_table(self, table):
        self.fail_at("write")

    def close(self):
        self.fail_at("close")


@pytest.mark.parametrize("place", ["open", "write", "close"])
@pytest.mark.parametrize("at_once", [1, 5000])
def test_a_full_disk_keeps_the_old_file_and_names_the_right_one(tmp_path, monkeypatch, place, at_once):
    target = tmp_path / "a.parquet"
    target.write_bytes(b"old")

    def writer(file, schema):
        return FullDisk(place, file, schema)

    parquet = SimpleNamespace(ParquetWriter=writer)
    table = SimpleNamespace(from_pylist=lambda rows, schema: rows)
    monkeypatch.setitem(sys.modules, "pyarrow", SimpleNamespace(parquet=parquet, Table=table))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", parquet)
    monkeypatch.setattr("facecli.sinks.rows.face_schema", lambda more: None)
    monkeypatch.setattr("facecli.sinks.rows._ROWS_AT_ONCE", at_once)
    with pytest.raises(OutputError, match=r"cannot write .*a\.parquet: No space left"):
        with ParquetSink(target) as sink:
            sink.write(record())
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]
