"""Faces and annotated copies as files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_fakes import FACE, record

from facecli.core.errors import EncodingError, OutputError
from facecli.core.images import DecodingMemory, load_image
from facecli.sinks.pictures import AnnotatedSink, CropsSink, crop_around, crop_name

IMAGE = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)


def test_pictures_without_faces_or_pixels_leave_no_files(tmp_path):
    with CropsSink(tmp_path / "crops") as crops, AnnotatedSink(tmp_path / "drawn", None, True) as drawn:
        crops.write(record(faces=[], image_rgb=IMAGE))
        for sink in (crops, drawn):
            sink.write(record(faces=[], error="bad"))
    assert not list(tmp_path.iterdir())


def test_each_face_is_a_file(tmp_path):
    with CropsSink(tmp_path) as sink:
        sink.write(record(faces=[FACE, FACE], target_name="sub/a.png", image_rgb=IMAGE))
    assert sorted(path.name for path in (tmp_path / "sub").iterdir()) == ["a-face1.png", "a-face2.png"]
    assert (load_image(tmp_path / "sub/a-face1.png") == IMAGE[0:11, 0:11]).all()


@given(st.tuples(st.integers(0, 50), st.integers(0, 30), st.integers(1, 60), st.integers(1, 40)))
def test_what_is_around_a_box_is_inside_the_picture(box):
    x, y, width, height = box
    cut = crop_around(IMAGE, (x, y, min(x + width, 60), min(y + height, 40)))
    assert cut.size > 0 and cut.shape[0] <= 40 and cut.shape[1] <= 60


def test_no_two_faces_have_one_name():
    names = ["a.png", "a.jpg", "a-face1.png", "a-face1-face1.png"]
    assert len({crop_name(name, number) for name in names for number in (1, 2, 11)}) == 12


def test_annotated_copies_mirror_the_names_or_are_one_file(tmp_path):
    def draw(image_rgb, faces):
        return image_rgb * 0 + len(faces)

    AnnotatedSink(tmp_path / "all", draw, True).write(record(target_name="sub/a.png", image_rgb=IMAGE))
    AnnotatedSink(tmp_path / "one.png", draw, False).write(record(image_rgb=IMAGE))
    for path in (tmp_path / "all/sub/a.png", tmp_path / "one.png"):
        assert (load_image(path) == 1).all()


@pytest.mark.parametrize("place", ["one.PNG", "all"])
def test_it_tells_beforehand_what_it_would_not_write(place, tmp_path, monkeypatch):
    monkeypatch.setattr("facecli.core.images.DECODING", DecodingMemory(13 * 40 * 60))
    sink = AnnotatedSink(tmp_path / place, lambda image_rgb, faces: image_rgb, place == "all")
    shown = record(target_name="a.png", image_rgb=IMAGE)
    assert sink.refusal("a.png", 40 * 60) is None
    sink.write(shown)
    refused = sink.refusal("a.png", 2 * 40 * 60)
    with pytest.raises(EncodingError) as raised:
        sink.write(shown._replace(image_rgb=np.concatenate([IMAGE, IMAGE])))
    assert str(refused) == str(raised.value) and refused.hint == raised.value.hint


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        CropsSink(tmp_path / "file").write(record(image_rgb=IMAGE))
