"""Pictures become records: in order, read together, failures among them."""

import itertools

import cv2
import numpy as np
import pytest
from picture_fakes import FACE, OneFace, item

from facecli.core import images
from facecli.core.errors import EncodingError
from facecli.core.faces import Face
from facecli.core.images import DecodingMemory
from facecli.pipeline.batch import Batch, LenientDecoder, Parallelism
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


class TestLarge:
    """Pictures of which not many are in memory at once."""

    @pytest.fixture(autouse=True)
    def small_are_large(self, monkeypatch):
        monkeypatch.setattr("facecli.pipeline.batch._LARGE_PIXELS", 500)

    @pytest.mark.parametrize("workers", [1, 3])
    def test_they_are_decoded_when_their_turn_comes(self, workers, png, analyzer):
        batch = Batch(lambda: analyzer, analyzer, Parallelism(workers, 4), wants_image=True)
        records = list(batch.records([item(f"{number}.png", png) for number in range(9)]))
        assert [record.source for record in records] == [f"{number}.png" for number in range(9)]
        assert all(record.image_rgb.shape == (20, 30, 3) and not record.result.error for record in records)
        assert sum(analyzer.calls) == 9

    def test_while_one_is_drawn_on_its_memory_is_taken(self, png, analyzer, monkeypatch):
        memory = DecodingMemory(6 * 20 * 30 + len(png))
        for module in ("core.images", "pipeline.batch"):
            monkeypatch.setattr(f"facecli.{module}.DECODING", memory)
        batch = Batch(lambda: analyzer, analyzer, wants_image=True)
        records = batch.records([item(f"{number}.png", png) for number in range(2)])
        assert next(records).image_rgb is not None and memory._taken == 6 * 20 * 30
        assert next(records).image_rgb is not None and next(records, None) is None
        assert memory._taken == 0

    def test_what_there_is_no_memory_to_draw_on_is_a_row_with_its_error(self, png, analyzer, monkeypatch):
        monkeypatch.setattr("facecli.pipeline.batch.DECODING", DecodingMemory(6 * 20 * 30 - 1))
        batch = Batch(lambda: analyzer, analyzer, wants_image=True)
        (record,) = batch.records([item("a.png", png)])
        assert "a.png needs" in record.result.error and record.image_rgb is None
        assert record.result.faces == (FACE,) and record.result.width == 30

    def test_what_would_not_be_written_is_not_decoded_once_more(self, png, analyzer):
        class Once:
            def decode_reduced(self, data, name, longest_side, max_pixels=0):
                return images.decode_reduced(data, name, longest_side)

            def decode_image(self, data, name, max_pixels=0):
                raise AssertionError("nobody can use these pixels")

        def refusal(target_name, pixels):
            return EncodingError(f"cannot write {target_name}: {pixels} pixels", "allow more")

        refused = Batch(lambda: analyzer, analyzer, wants_image=True, decoder=Once(), refusal=refusal)
        (record,) = refused.records([item("a.png", png)])
        assert record.result.error == "cannot write a.png: 600 pixels" and record.image_rgb is None
        assert record.result.faces == (FACE,)
        accepted = Batch(lambda: analyzer, analyzer, wants_image=True, refusal=lambda *_: None)
        (record,) = accepted.records([item("a.png", png)])
        assert record.result.error is None and record.image_rgb is not None


def test_a_picture_whose_whole_is_too_much_is_searched_at_half_its_size(monkeypatch):
    """Its faces are too small for the sixteenth that is searched first."""

    class Small(OneFace):
        def find(self, image_rgb):
            seen.append(image_rgb.shape[:2])
            return super().find(image_rgb)

    seen = []
    picture = np.full((4500, 6000, 3), 90, np.uint8)
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    monkeypatch.setattr("facecli.core.images.DECODING", DecodingMemory(2 * 4500 * 6000 + len(data)))
    small = Small(crop_side=20)
    (record,) = Batch(lambda: small, small).records([item("a.jpg", data)])
    assert seen == [(1125, 1500), (2250, 3000)] and record.result.error is None
    assert (record.result.width, record.result.height) == (6000, 4500)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
def test_what_there_is_of_cut_pictures_is_read_when_that_is_asked_for(workers, large, analyzer, monkeypatch):
    if large:
        monkeypatch.setattr("facecli.pipeline.batch._LARGE_PIXELS", 500)
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    whole = cv2.imencode(".jpg", noise)[1].tobytes()
    items = [
        item("whole.jpg", whole),
        item("cut.jpg", whole[: len(whole) // 2]),
        item("bad.jpg", b"no picture"),
    ]
    batch = Batch(
        lambda: analyzer, analyzer, Parallelism(workers), wants_image=True, decoder=LenientDecoder()
    )
    for _ in range(2):
        good, cut, bad = (record.result for record in batch.records(items))
        assert not good.truncated and "truncated" not in good.to_json()
        assert cut.truncated and cut.to_json()["truncated"] is True and cut.faces == (FACE,)
        assert (cut.width, cut.height, cut.error) == (80, 60, None)
        assert bad.error and not bad.truncated
