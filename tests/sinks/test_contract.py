"""What holds for every sink: records in order, no half-written file, no older one lost for nothing."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import facecli.sinks
from facecli.core.errors import EncodingError, OutputError
from facecli.core.faces import Face, FrameResult
from facecli.draw.annotate import annotate
from facecli.sinks import base
from facecli.sinks.base import Record, feed
from facecli.sinks.html import ReportSink
from facecli.sinks.parts import PartsSink, Shard
from facecli.sinks.pictures import AnnotatedSink, CropsSink
from facecli.sinks.rows import CsvSink, JsonSink, ParquetSink
from facecli.sinks.summary import SummarySink
from facecli.sinks.video import VideoFileSink

PICTURE = np.full((48, 64, 3), 120, np.uint8)
FACE = Face((8, 8, 40, 40), 0.9, 30.0, track=1)
SINKS = {
    "json": ("rows.jsonl", lambda path: JsonSink(str(path))),
    "csv": ("rows.csv", lambda path: CsvSink(str(path))),
    "parquet": ("rows.parquet", ParquetSink),
    "parts": ("parts", lambda path: PartsSink(str(path), Shard())),
    "summary": ("people.json", lambda path: SummarySink(str(path))),
    "report": ("page.html", lambda path: ReportSink(path, [])),
    "annotated": ("drawn.png", lambda path: AnnotatedSink(path, annotate, False)),
    "crops": ("crops", CropsSink),
    "video": ("drawn.mp4", lambda path: VideoFileSink(path, 25)),
    "example": ("counts.txt", lambda path: base.SINKS.find("example").build(str(path))),
}
NO_RESULT_OF_ITS_OWN = {
    "RowSink": "the base of those that write rows",
    "EventSink": "tells a target, see test_events.py",
}


def record(number, faces=(FACE,), error=None):
    result = FrameResult(f"a{number}.png", 64, 48, tuple(faces), number, number / 25, error)
    return Record(result, None if error else PICTURE, f"a{number}.png")


@pytest.fixture(params=SINKS)
def sink_and_path(request, tmp_path, example_sink):
    if request.param in ("parquet", "parts"):
        pytest.importorskip("pyarrow", reason="Parquet needs it")
    name, build = SINKS[request.param]
    return build(tmp_path / name), tmp_path / name


def sink_classes():
    """Names of all classes of `facecli.sinks` that take records, or that open what does."""
    for found in pkgutil.iter_modules(facecli.sinks.__path__, "facecli.sinks."):
        module = importlib.import_module(found.name)
        for name, known in inspect.getmembers(module, inspect.isclass):
            is_sink = hasattr(known, "write") and hasattr(known, "__exit__")
            if is_sink and known.__module__ == found.name and name != "Sink":
                yield {"OpenVideo": "VideoFileSink"}.get(name, name)


def test_no_sink_is_left_out(tmp_path, example_sink):
    pytest.importorskip("pyarrow", reason="Parquet needs it")
    held = {type(build(tmp_path / name)).__name__ for name, build in SINKS.values()}
    assert set(sink_classes()) - set(NO_RESULT_OF_ITS_OWN) == held - {"CountingSink"}


def hidden(path):
    return [file.name for file in path.parent.iterdir() if file.name.startswith(".")]


def test_it_says_whether_it_looks_at_pictures(sink_and_path):
    sink, _ = sink_and_path
    with sink as opened:
        assert opened.wants_image in (True, False)


def test_without_a_record_nothing_half_done_is_left(sink_and_path):
    sink, path = sink_and_path
    with sink:
        pass
    assert not hidden(path)


@pytest.mark.parametrize("records", [[record(0)], [record(0), record(1, ()), record(2)]])
def test_records_become_a_result(sink_and_path, records):
    sink, path = sink_and_path
    with sink as opened:
        feed(records, [opened])
    assert path.exists() and not hidden(path)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_was_written_before_an_error_is_whole_or_not_there(sink_and_path, error):
    sink, path = sink_and_path
    with pytest.raises(error), sink as opened:
        feed([record(0)], [opened])
        raise error
    assert not hidden(path)
    assert not path.is_file() or path.stat().st_size > 0


def test_an_older_file_outlives_a_run_that_fails_at_once(sink_and_path):
    sink, path = sink_and_path
    if path.suffix:
        path.write_bytes(b"old")
    with pytest.raises(RuntimeError), sink:
        raise RuntimeError
    assert not path.suffix or path.read_bytes() == b"old"


def test_a_place_that_cannot_be_is_one_error(sink_and_path, tmp_path):
    sink, path = sink_and_path
    build = next(build for name, build in SINKS.values() if name == path.name)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"), build(tmp_path / "file" / path.name) as opened:
        feed([record(0)], [opened])


class Picky:
    """Holds no picture of odd width."""

    wants_image = True

    def __init__(self):
        self.got = []

    def write(self, record):
        if record.result.width % 2:
            raise EncodingError("odd")
        self.got.append(record)


def test_what_a_format_does_not_hold_is_a_row_with_its_error_and_the_rest_goes_on():
    picky, rows, failed = Picky(), Picky(), []
    records = [
        Record(FrameResult("a", 4, 4)),
        Record(FrameResult("b", 5, 4)),
        Record(FrameResult("c", 6, 4)),
    ]
    rows.write = rows.got.append
    feed(records, [picky, rows], lambda record, error: failed.append((record.source, str(error))))
    assert [record.source for record in picky.got] == ["a", "c"]
    assert [(record.source, record.result.error) for record in rows.got] == [
        ("a", None), ("b", "odd"), ("c", None),
    ]  # fmt: skip
    assert failed == [("b", "odd")]
    with pytest.raises(EncodingError):
        feed(records, [Picky()])
