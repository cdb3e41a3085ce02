"""Picture files: lists, failures as results, names of annotated copies."""

from pathlib import Path

import numpy as np
import pytest

from facecli.errors import InputError
from facecli.images import save_image
from facecli.stream.pictures import annotated_path, is_writable_format, iter_pictures, list_pictures


@pytest.fixture
def folder(tmp_path):
    for name in ("a.jpg", "sub dir/ü.png"):
        save_image(tmp_path / name, np.full((20, 30, 3), 90, np.uint8))
    (tmp_path / "bad.jpg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no pictures in"):
        list_pictures(tmp_path)


def test_folder_is_searched_and_the_output_folder_left_out(folder):
    assert [path.name for path in list_pictures(folder)] == ["a.jpg", "bad.jpg", "ü.png"]
    assert [path.name for path in list_pictures(folder, folder / "sub dir")] == ["a.jpg", "bad.jpg"]


def test_picture_is_its_own_list(folder):
    assert list_pictures(folder / "a.jpg", folder) == [folder / "a.jpg"]


def test_failures_are_results_and_the_rest_goes_on(folder, analyzer):
    good, bad, other = iter_pictures(list_pictures(folder), analyzer)
    assert bad.result.error and bad.image_rgb is None
    assert (bad.result.width, bad.result.height, bad.result.faces) == (None, None, ())
    for picture in (good, other):
        assert (picture.result.width, picture.result.height, len(picture.result.faces)) == (30, 20, 1)


def test_pictures_are_covered_before_they_are_given_on(folder, analyzer):
    covered = iter_pictures([folder / "a.jpg"], analyzer, lambda image_rgb, faces: image_rgb * 0 + len(faces))
    (picture,) = covered
    assert (picture.image_rgb == 1).all() and len(picture.result.faces) == 1


def test_no_pictures_no_results(analyzer):
    assert list(iter_pictures([], analyzer)) == []


@pytest.mark.parametrize(
    ("picture", "target"),
    [("in/a.jpg", "out/a.jpg"), ("in/b/ü.PNG", "out/b/ü.PNG"), ("in/c.gif", "out/c.gif.png")],
)
def test_annotated_path_mirrors_the_folder(picture, target):
    assert annotated_path(Path(picture), Path("in"), Path("out")) == Path(target)


@pytest.mark.parametrize(
    ("name", "writable"), [("a.jpg", True), ("a.PNG", True), ("a", False), ("a.txt", False)]
)
def test_writable_formats(name, writable):
    assert is_writable_format(Path(name)) is writable
