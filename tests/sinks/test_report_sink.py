"""Records become a page."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from facecli.core.errors import OutputError
from facecli.core.faces import Face, FrameResult
from facecli.models.checkpoint import Checkpoint
from facecli.sinks import html as sink_module
from facecli.sinks.html import ReportSink

MODEL = "tiny", Checkpoint(None, {"name": "tiny", "heads": ["age", "gender"]}), {"age": {"mae": 5.0}}
FACE = Face((2, 2, 30, 30), 0.9, 31.4, (24, 40), {"male": 0.25, "female": 0.75})


def record(name="a.jpg", faces=(FACE,), error=None, size=(60, 40)):
    width, height = (None, None) if error else size
    image = None if error else np.full((height, width, 3), 90, np.uint8)
    return SimpleNamespace(result=FrameResult(name, width, height, faces, error=error), image_rgb=image)


def blocks(path, kind):
    text = path.read_text(encoding="utf-8")
    found = re.findall(rf'<script type="application/json" class="{kind}">(.*?)</script>', text, re.DOTALL)
    return [json.loads(part) for part in found]


@pytest.fixture
def page(tmp_path):
    return tmp_path / "new" / "report ü.html"


def test_no_picture_is_a_page(page):
    with ReportSink(page, [MODEL]):
        assert not page.exists()
    assert blocks(page, "row") == []
    (about,) = blocks(page, "about")
    assert about["models"][0]["name"] == "tiny" and "5.0 years" in about["models"][0]["measured"]
    assert len(about["cautions"]) >= 3
    assert "race_7" in about["heads"]["all"] and "race_7" not in about["heads"]["shown"]
    assert blocks(page, "end") == [{"complete": True, "smaller_from": None, "none_from": None}]


def test_pictures_faces_and_failures_are_rows_in_their_order(page):
    with ReportSink(page, [MODEL]) as sink:
        sink.write(record("two.jpg", (FACE, FACE)))
        sink.write(record("broken.jpg", (), "it is <broken>"))
        sink.write(record("none.jpg", ()))
    two, broken, none = blocks(page, "row")
    assert two["thumb"].startswith("data:image/jpeg;base64,")
    assert [face["crop"][:23] for face in two["faces"]] == ["data:image/jpeg;base64,"] * 2
    assert two["faces"][0]["age_years"] == 31.4
    assert broken["error"] == "it is <broken>" and "thumb" not in broken
    assert none["faces"] == [] and "thumb" in none


@pytest.mark.parametrize(
    "name", ["</script><script>alert(1)</script>.jpg", "a\nb.jpg", "名前.jpg", "\udcff.jpg", "-x"]
)
def test_names_may_be_anything(page, name):
    with ReportSink(page, [MODEL]) as sink:
        sink.write(record(name))
    assert blocks(page, "row")[0]["source"] == name
    assert page.read_text(encoding="utf-8").count("<script>") == 1


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (59, 39, 60, 40), (0, 0, 60, 40)])
def test_faces_without_room_have_no_crop(page, box):
    with ReportSink(page, [MODEL]) as sink:
        sink.write(record(faces=(replace(FACE, box_xyxy=box),)))
    ((face,),) = [row["faces"] for row in blocks(page, "row")]
    assert ("crop" in face) == (box[2] > box[0])


def test_an_interrupted_run_leaves_what_it_had_and_says_so(page):
    with pytest.raises(KeyboardInterrupt), ReportSink(page, [MODEL]) as sink:
        sink.write(record())
        raise KeyboardInterrupt
    assert len(blocks(page, "row")) == 1
    assert blocks(page, "end")[0]["complete"] is False


def test_a_full_disk_is_said_and_leaves_nothing(page, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"), ReportSink(page, [MODEL]) as sink:
        sink.write(record())
        monkeypatch.setattr(sink_module, "page_row", full)
        sink.write(record())
    assert list(page.parent.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        ReportSink(tmp_path / "file" / "report.html", [MODEL]).__enter__()


def test_an_old_page_is_replaced(page):
    page.parent.mkdir()
    page.write_text("old")
    with ReportSink(page, [MODEL]):
        assert page.read_text() == "old"
    assert "old" not in page.read_text(encoding="utf-8")[:20]


def test_size_is_bounded_however_many_pictures(page, monkeypatch):
    monkeypatch.setattr("facecli.sinks.html._SIZES", ((5_000, sink_module.ThumbnailSize(60, 30)),))
    with ReportSink(page, [MODEL]) as sink:
        for number in range(200):
            sink.write(record(f"{number}.jpg"))
    rows = blocks(page, "row")
    with_thumbnails = sum("thumb" in row for row in rows)
    assert len(rows) == 200 and 0 < with_thumbnails < 20
    assert blocks(page, "end")[0]["none_from"] == with_thumbnails
