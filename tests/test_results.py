"""Results of an analysis: dictionaries still, and drawn, tabulated, shown and exported."""

import copy
import io
import json
import pickle
import re
import sys
from html.parser import HTMLParser
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from facecli import PictureResult, ResultList, to_coco, to_fiftyone, to_frame, to_supervision
from facecli.core.errors import ImageError, InputError
from facecli.core.faces import Face, FrameResult
from facecli.results import face_attributes
from facecli.sinks.base import Record
from facecli.sinks.rows import COLUMNS, CsvSink

WIDTH, HEIGHT = 120, 80
POINTS = ((20.0, 20.0), (40.0, 20.0), (30.0, 30.0), (22.0, 40.0), (38.0, 40.0))
ANNA = Face(
    (10, 10, 50, 50),
    0.9,
    age_years=31.26,
    age_interval_90=(24, 39),
    gender_probabilities={"male": 0.2, "female": 0.8},
    landmarks=POINTS,
    quality=0.7,
)
BEN = Face((60, 20, 100, 70), 0.8, age_years=8.0, age_interval_90=(5, 12), uncertain=("gender",), track=4)
NONE = Face((0, 0, 9, 9), 0.3, face_probability=0.02, rejected=True)


def result(*faces, source="a.png", pixels=None, **more):
    image_rgb = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    found = FrameResult(source, WIDTH, HEIGHT, faces, model="tiny", **more)
    return PictureResult(found, pixels or (lambda: image_rgb))


FAILED = PictureResult(FrameResult("b.png", None, None, error="cannot read b.png"))


# The record


def test_without_a_face_it_is_an_empty_record():
    empty = result()
    assert empty["faces"] == empty.faces == [] and empty.error is None
    assert empty.draw().size == (WIDTH, HEIGHT)


def test_it_is_the_dictionary_of_the_command_line():
    one = result(ANNA, BEN)
    plain = one.result.to_json()
    assert isinstance(one, dict) and one == plain and plain == one
    assert json.loads(json.dumps(one)) == json.loads(json.dumps(plain)) and {**one} == plain
    assert one.row is one and one.faces == [ANNA, BEN] and one.faces[0].gender == "female"
    assert repr(one) == repr(plain)


def test_it_can_be_copied_and_sent_to_another_process():
    one = PictureResult(FrameResult("a.png", WIDTH, HEIGHT, (ANNA,)))
    for again in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert again == one and again.faces == [ANNA] and type(again) is PictureResult


def test_a_part_of_a_list_is_a_list_of_results():
    results = ResultList([result(), FAILED, result(ANNA)])
    assert (
        type(results[1:]) is ResultList
        and results[1:] == [FAILED, results[2]]
        and results[-1].faces == [ANNA]
    )


# Drawn


def test_boxes_are_drawn_on_a_copy():
    one = result(ANNA)
    before = one.image_rgb.copy()
    plain, detailed = np.asarray(one.draw()), np.asarray(one.draw(details=True))
    assert plain.shape == detailed.shape == (HEIGHT, WIDTH, 3) and plain.dtype == np.uint8
    assert (plain != before).any() and (one.image_rgb == before).all() and (detailed != before).any()


def test_what_cannot_be_drawn_says_why(tmp_path):
    released = result(ANNA)
    released.release()
    with pytest.raises(InputError, match=r"not kept; pass them: draw\(picture=...\)"):
        released.draw()
    with pytest.raises(InputError, match="b.png could not be read: nothing to draw"):
        FAILED.draw()
    with pytest.raises(InputError, match=r"is 3 x 2 now, and was 120 x 80; analyze it again"):
        result(ANNA, pixels=lambda: np.zeros((2, 3, 3), np.uint8)).draw()
    with pytest.raises(InputError, match="3 x 2 now"):
        released.draw(picture=Image.new("RGB", (3, 2)))
    with pytest.raises(ImageError, match="cannot read"):
        released.draw(picture=tmp_path / "gone.png")
    assert released.draw(picture=np.zeros((HEIGHT, WIDTH), np.uint8)).size == (WIDTH, HEIGHT)


# Tables


def test_no_results_are_a_table_of_no_rows_with_all_columns():
    pytest.importorskip("pandas")
    frame = to_frame([])
    assert frame.empty and tuple(frame.columns) == COLUMNS
    assert (frame.dtypes == result(ANNA).to_frame().dtypes)[["face", "age_years", "rejected"]].all()


def test_rows_of_a_file_are_a_table_like_results():
    pandas = pytest.importorskip("pandas")
    results = [result(ANNA, BEN), FAILED]
    rows = [json.loads(json.dumps(one)) for one in results]
    pandas.testing.assert_frame_equal(to_frame(rows), to_frame(results))
    with pytest.raises(InputError, match="output.md"):
        to_frame([{"picture": "a.png"}])


def test_rows_are_those_of_the_csv_file(tmp_path):
    pandas = pytest.importorskip("pandas")
    results = ResultList([result(ANNA, BEN), FAILED, result(source="c.png")])
    frame = results.to_frame()
    with CsvSink(str(tmp_path / "a.csv")) as sink:
        for one in results:
            sink.write(Record(one.result))
    written = pandas.read_csv(tmp_path / "a.csv")
    assert list(frame.columns) == list(written.columns) and len(frame) == len(written) == 4
    for column in ("source", "face", "age_years", "gender", "gender_probability", "error", "track", "x_min"):
        told, read = (table[column].astype(object) for table in (frame, written))
        assert told.fillna("").tolist() == read.fillna("").tolist()
    assert str(frame["face"].dtype) == "Int64" and frame["face"].isna().tolist() == [False, False, True, True]
    assert frame["age_years"].mean() == pytest.approx((31.3 + 8) / 2)


# Notebooks


class _Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.tags = [], [], set()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        assert not any(name.startswith("on") for name, _ in attributes)
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_pages_of_nothing():
    assert "0 faces" in result()._repr_html_()
    assert "no pictures" in ResultList()._repr_html_()
    assert "cannot read b.png" in FAILED._repr_html_() and not _Page(FAILED._repr_html_()).addresses


def test_a_page_holds_all_that_it_shows():
    page = result(ANNA, BEN)._repr_html_()
    seen = _Page(page)
    assert len(seen.addresses) == 3 and all(
        one.startswith("data:image/jpeg;base64,") for one in seen.addresses
    )
    assert seen.tags == {"div", "img", "b", "br"}
    assert "31 (24-39)" in page and "female 80%" in page and "#1" in page and "#4" in page


def test_names_cannot_be_markup_whatever_they_hold():
    for name in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\udcff\0\n" + "x" * 10_000):
        for page in (
            result(ANNA, source=name)._repr_html_(),
            ResultList([result(source=name)])._repr_html_(),
        ):
            assert _Page(page).tags <= {"div", "img", "b", "br"} and "<script" not in page
            assert len(page.encode("utf-8")) < 100_000
    failed = PictureResult(FrameResult("<b>", None, None, error="<i>bad</i>"))
    assert "&lt;b&gt;" in failed._repr_html_() and "<i>" not in failed._repr_html_()


def test_a_page_without_its_picture_has_the_bars():
    def gone():
        raise ImageError("gone")

    page = result(ANNA, pixels=gone)._repr_html_()
    assert "female 80%" in page and not _Page(page).addresses


def test_pages_are_bounded():
    noise = np.random.default_rng(0).integers(0, 256, (2000, 3000, 3), np.uint8)
    faces = tuple(
        Face((50 * x, 50 * y, 50 * x + 40, 50 * y + 40), 0.9, age_years=30.0)
        for x in range(40)
        for y in range(20)
    )
    crowd = PictureResult(FrameResult("crowd.png", 3000, 2000, faces), lambda: noise)
    page = crowd._repr_html_()
    assert "and 776 more faces" in page and len(page) < 1_500_000
    group = PictureResult(FrameResult("group.png", 3000, 2000, faces[:9]), lambda: noise)
    many = ResultList([group] * 30)._repr_html_()
    assert "and 6 more pictures" in many and "and 6 more faces" in many and len(many) < 5_000_000
    _Page(many)


# Other packages


def test_attributes_are_columns_that_have_a_value():
    assert face_attributes(Face((0, 0, 1, 1), 0.5)) == {}
    known = face_attributes(ANNA)
    assert known == {
        **{"roll_degrees": 0.0, "yaw_degrees": 0.0, "quality": 0.7, "pitch_degrees": known["pitch_degrees"]},
        **{"age_years": 31.3, "age_low": 24, "age_high": 39, "age_group": "30-39"},
        **{"gender": "female", "gender_probability": 0.8},
    }
    assert json.dumps(known)


def test_coco_of_nothing():
    empty = to_coco([])
    assert empty["images"] == empty["annotations"] == [] and [one["id"] for one in empty["categories"]] == [1]


def test_coco():
    told = to_coco([FAILED, result(), result(ANNA, NONE, BEN, source="c.png", frame=3, time_s=0.12)])
    assert json.loads(json.dumps(told)) == told
    assert [image["file_name"] for image in told["images"]] == ["a.png", "c.png"]
    assert told["images"][1] == {
        **{"id": 2, "file_name": "c.png", "width": WIDTH, "height": HEIGHT, "frame": 3, "time_s": 0.12}
    }
    anna, ben = told["annotations"]
    assert [anna["id"], ben["id"]] == [1, 2] and anna["image_id"] == ben["image_id"] == 2
    assert anna["bbox"] == [10, 10, 40, 40] and anna["area"] == 1600 and anna["iscrowd"] == 0
    assert anna["attributes"] == face_attributes(ANNA) and anna["score"] == 0.9
    names = told["categories"][0]["keypoints"]
    assert len(anna["keypoints"]) == 3 * len(names) == 15 and anna["keypoints"][:3] == [20.0, 20.0, 2]
    assert ben["track_id"] == 4 and "keypoints" not in ben and "track_id" not in anna


@pytest.fixture
def fake(monkeypatch):
    """Puts a module of classes that remember what they were made of in the place of a package."""

    def put(package, **classes):
        module = ModuleType(package)
        vars(module).update(classes)
        monkeypatch.setitem(sys.modules, package, module)

    return put


def test_supervision(fake):
    # Its own validation, as of 0.31: lengths, and equal keys where detections are merged.
    def detections(xyxy, confidence, class_id, tracker_id, data):
        assert xyxy.ndim == 2 and xyxy.shape[1] == 4
        columns = [confidence, class_id, *data.values(), *([] if tracker_id is None else [tracker_id])]
        assert all(column.shape == (len(xyxy),) for column in columns)
        return SimpleNamespace(xyxy=xyxy, confidence=confidence, tracker_id=tracker_id, data=data)

    fake("supervision", Detections=detections)
    empty = to_supervision(result())
    assert empty.xyxy.shape == (0, 4) and to_supervision(FAILED).xyxy.shape == (0, 4)
    both = to_supervision(result(ANNA, NONE, BEN))
    assert both.xyxy.tolist() == [[10, 10, 50, 50], [60, 20, 100, 70]] and both.tracker_id is None
    assert set(both.data) == set(empty.data) and both.data["class_name"].tolist() == ["face", "face"]
    assert both.data["age_years"].tolist() == [31.3, 8.0] and both.data["gender"].tolist() == ["female", ""]
    assert np.isnan(both.data["quality"]).tolist() == [False, True]
    assert all(both.data[name].dtype.kind == column.dtype.kind for name, column in empty.data.items())
    assert to_supervision(result(BEN)).tracker_id.tolist() == [4]


def test_fiftyone(fake):
    fake("fiftyone", Detection=SimpleNamespace, Detections=SimpleNamespace)
    assert to_fiftyone(result()).detections == [] == to_fiftyone(FAILED).detections
    anna, ben = to_fiftyone(result(ANNA, NONE, BEN)).detections
    assert (anna.label, anna.confidence, anna.gender, anna.age_years) == ("face", 0.9, "female", 31.3)
    assert anna.bounding_box == pytest.approx([10 / WIDTH, 10 / HEIGHT, 40 / WIDTH, 40 / HEIGHT])
    assert ben.index == 4 and not hasattr(anna, "index")


@pytest.mark.parametrize(
    ("package", "use"),
    [
        ("pandas", lambda: result(ANNA).to_frame()),
        ("supervision", lambda: to_supervision(result(ANNA))),
        ("fiftyone", lambda: to_fiftyone(result(ANNA))),
    ],
)
def test_a_package_that_is_not_there_is_one_line_with_the_remedy(package, use, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=f"^{package} is not installed: pip install {package}$"):
        use()


def test_a_picture_can_be_saved_as_pillow_does_it():
    buffer = io.BytesIO()
    result(ANNA).draw().save(buffer, "PNG")
    assert re.match(rb"\x89PNG", buffer.getvalue())
