"""Tables for data frames."""

import sys

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
    with pytest.raises(InputError, match=r"pip install 'facecli\[parquet\]'"), ParquetSink(tmp_path / "a"):
        pass
    assert not list(tmp_path.iterdir())
