"""Pictures become records: in order, read together, failures among them."""

import itertools

import cv2
import pytest
from picture_fakes import FACE, OneFace, item

from facecli.core.faces import Face
from facecli.pipeline.batch import Batch, Parallelism
from facecli.sources.inputs import find_inputs


@pytest.mark.parametrize("workers", [1, 3])
def test_no_pictures_no_records(workers, analyzer):
    batch = Batch(lambda: analyzer, analyzer, Parallelism(workers))
    assert list(batch.records([])) == [] and analyzer.calls == []


@pytest.mark.parametrize("workers", [1, 3])
def test_failures_are_records_in_their_place_and_the_rest_goes_on(workers, folder, analyzer):
    batch = Batch(lambda: analyzer, analyzer, Parallelism(workers), wants_image=True)
    good, bad, other = batch.records(find_inputs([str(folder)]))
    assert bad.result.error and bad.image_rgb is None
    assert (bad.result.width, bad.result.height, bad.result.faces) == (None, None, ())
    assert [one.target_name for one in (good, bad, other)] == ["a.jpg", "bad.jpg", "sub dir/ü.png"]
    for record in (good, other):
        assert record.result.to_json()["faces"] == [FACE.to_json()]
        assert (record.result.width, record.result.height) == (30, 20)
        assert record.image_rgb.shape == (20, 30, 3)


@pytest.mark.parametrize(("size", "calls"), [(1, [1] * 7), (3, [3, 3, 1]), (50, [7])])
def test_faces_of_many_pictures_are_read_together(size, calls, png, analyzer):
    batch = Batch(lambda: analyzer, analyzer, Parallelism(2, size))
    records = list(batch.records([item(f"{number}.png", png) for number in range(7)]))
    assert [record.source for record in records] == [f"{number}.png" for number in range(7)]
    assert analyzer.calls == calls


def test_pixels_are_given_only_when_they_are_wanted(png, analyzer):
    (record,) = Batch(lambda: analyzer, analyzer).records([item("a.png", png)])
    assert record.image_rgb is None and record.result.faces == (FACE,)


def test_pictures_are_covered_before_they_are_given_on(png):
    class Doubtful(OneFace):
        def read(self, found):
            return [[FACE, Face((2, 2, 5, 5), 0.1, face_probability=0.1, rejected=True)] for _ in found]

    def protect(image_rgb, faces):
        return image_rgb * 0 + len(faces)

    doubtful = Doubtful()
    batch = Batch(lambda: doubtful, doubtful, wants_image=True, protect=protect, show_rejected=False)
    (record,) = batch.records([item("a.png", png)])
    assert (record.image_rgb == 2).all() and record.result.faces == (FACE,)


def test_items_are_taken_as_they_are_needed(png, analyzer):
    """A source may be endless: memory cannot depend on its length."""
    endless = (item(f"{number}.png", png) for number in itertools.count())
    records = Batch(lambda: analyzer, analyzer, Parallelism(2, 4)).records(endless)
    assert [record.source for record in itertools.islice(records, 5)] == [f"{n}.png" for n in range(5)]
    records.close()
    assert int(next(endless).source.removesuffix(".png")) < 30


def test_each_thread_has_a_searcher_of_its_own(png):
    made = []

    def looker():
        made.append(OneFace())
        return made[-1]

    list(Batch(looker, OneFace(), Parallelism(3)).records([item("a.png", png)]))
    assert len(made) == 3


def test_what_a_detector_cannot_bear_is_a_record_too(png, analyzer):
    class Fails(OneFace):
        def find(self, image_rgb):
            raise cv2.error("too thin")

    (record,) = Batch(Fails, analyzer).records([item("a.png", png)])
    assert "a.png cannot be searched" in record.result.error


def test_large_pictures_do_not_wait_for_each_other(png, analyzer, monkeypatch):
    monkeypatch.setattr("facecli.pipeline.batch._MOST_BYTES", 5000)
    batch = Batch(lambda: analyzer, analyzer, Parallelism(1, 100), wants_image=True)
    assert len(list(batch.records([item(f"{n}.png", png) for n in range(4)]))) == 4
    assert analyzer.calls == [3, 1]
