"""`FaceMapper`: the same rows through a table, pickled, in Ray Data and in Spark."""

import json
import pickle
import shutil
import sys

import numpy as np
import pytest

import facecli
from facecli.core.errors import CheckpointError, InputError
from facecli.core.images import save_image
from facecli.distributed import FaceMapper
from facecli.schema import from_arrow, picture_schema
from facecli.sources.files import entry_of
from facecli.sources.manifest import COLUMNS, write_manifest

pyarrow = pytest.importorskip("pyarrow", reason="the extra [parquet] is not here")


@pytest.fixture
def mapper(tiny_checkpoint):
    return FaceMapper(model_path=tiny_checkpoint.folder, detector="none")


@pytest.fixture
def entries(tmp_path):
    """Five pictures, one that is none, and one that was changed since it was listed."""
    for number in range(6):
        save_image(tmp_path / f"{number}.png", np.full((24, 24, 3), 40 * number, np.uint8))
    (tmp_path / "3bad.jpg").write_bytes(b"no picture")
    found = [entry_of(path) for path in sorted(tmp_path.iterdir())]
    save_image(tmp_path / "5.png", np.zeros((30, 30, 3), np.uint8))
    return found


@pytest.fixture
def expected(entries, tiny_checkpoint):
    analyzer = facecli.FaceAnalyzer(model_path=tiny_checkpoint.folder, detector="none")
    return [result.row for result in analyzer.analyze_many([entry.source for entry in entries[:-1]])]


def table(entries, columns=COLUMNS):
    return pyarrow.table({name: [getattr(entry, name) for entry in entries] for name in columns})


def rows(answer):
    return json.loads(json.dumps(list(from_arrow(answer))))


def test_no_pictures_give_no_rows(mapper):
    assert mapper(table([])).num_rows == 0 and mapper(table([])).schema == picture_schema()


def test_rows_are_those_of_the_analyzer(mapper, entries, expected):
    answer = mapper(table(entries))
    assert answer.schema == picture_schema()
    *found, changed = rows(answer)
    assert found == json.loads(json.dumps(expected)) and sum(row["error"] is not None for row in found) == 1
    assert "was changed since it was listed" in changed["error"]
    assert rows(mapper(table(entries, ["source"])))[:-1] == found


def test_a_table_of_contents_reads_nothing(mapper, entries, expected):
    names = [f"picture {number}" for number in range(len(expected))]
    contents = [open(entry.source, "rb").read() for entry in entries[:-1]]
    found = rows(mapper(pyarrow.table({"source": names, "content": contents})))
    assert [row["source"] for row in found] == names
    assert [row["faces"] for row in found] == [json.loads(json.dumps(row["faces"])) for row in expected]


def test_it_is_pickled_without_its_model(mapper, entries):
    before = mapper(table(entries))
    pickled = pickle.dumps(mapper)
    assert len(pickled) < 2000
    assert pickle.loads(pickled)(table(entries)) == before


def test_what_is_no_table_of_pictures_is_told(mapper, tmp_path):
    with pytest.raises(InputError, match="no column 'source'"):
        mapper(pyarrow.table({"path": ["a"]}))
    with pytest.raises(InputError, match="a source is a path or an address, not None"):
        mapper(pyarrow.table({"source": [None]}, pyarrow.schema([("source", pyarrow.string())])))
    with pytest.raises(CheckpointError):
        FaceMapper(model_path=tmp_path / "nowhere").warm_up()


def test_frames_of_pandas_come_back_as_frames(mapper, entries):
    pytest.importorskip("pandas", reason="pandas is not here")
    frames = [table(entries[:3]).to_pandas(), table(entries[3:]).to_pandas()]
    found = list(mapper.in_pandas(frames))
    assert [len(frame) for frame in found] == [3, len(entries) - 3]
    assert [row for frame in found for row in frame["source"]] == [entry.source for entry in entries]
    with pytest.raises(InputError, match="the frame has no column 'source'"):
        list(mapper.in_pandas([frames[0][["size"]]]))


def test_the_schema_of_spark_has_every_column(mapper):
    written = mapper.spark_schema()
    assert written.startswith("`source` string, `frame` bigint, `time_s` double, `width` int")
    assert "`faces` array<struct<`track`: bigint, `box_xyxy`: array<int>" in written
    assert "`age_band_probabilities`: map<string, double>" in written
    assert written.count("<") == written.count(">")


def test_the_example_of_ray_data(entries, tmp_path, tiny_checkpoint, mapper, monkeypatch):
    ray = pytest.importorskip("ray", reason="the extra [ray] is not here: 240 MB")
    pytest.importorskip("ray.data", reason="Ray Data is not here: pip install 'ray[data]'")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    write_manifest(tmp_path / "pictures.parquet", entries, ".parquet")
    ray.init("local", num_cpus=2, log_to_driver=False, include_dashboard=False)
    try:
        found = (
            ray.data.read_parquet(str(tmp_path / "pictures.parquet"))
            .map_batches(
                FaceMapper,
                fn_constructor_kwargs={"model_path": tiny_checkpoint.folder, "detector": "none"},
                batch_format="pyarrow",
                batch_size=3,
                compute=ray.data.ActorPoolStrategy(size=1),
                num_cpus=1,
            )
            .take_all()
        )
    finally:
        ray.shutdown()
    faces = {row["source"]: len(row["faces"]) for row in rows(mapper(table(entries)))}
    assert {row["source"]: len(row["faces"]) for row in found} == faces and len(found) == len(entries)


def test_the_example_of_spark(entries, tmp_path, mapper, monkeypatch):
    sql = pytest.importorskip("pyspark.sql", reason="Spark is not here: pip install pyspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not here")
    # Else the first python3 of the path, which has no facecli.
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYSPARK_DRIVER_PYTHON", sys.executable)
    write_manifest(tmp_path / "pictures.parquet", entries, ".parquet")
    spark = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        pictures = spark.read.parquet(str(tmp_path / "pictures.parquet"))
        answer = pictures.mapInPandas(mapper.in_pandas, mapper.spark_schema())
        answer.write.parquet(str(tmp_path / "rows"))
    finally:
        spark.stop()
    import pyarrow.parquet

    written = pyarrow.parquet.read_table(tmp_path / "rows").cast(picture_schema())
    assert sorted(rows(written), key=_source) == sorted(rows(mapper(table(entries))), key=_source)


def _source(row):
    return row["source"]
