"""Picture files: lists, failures as results, names of annotated copies."""

from pathlib import Path

import pytest

from facecli.errors import InputError
from facecli.pictures.listing import annotated_path, is_writable_format, list_pictures


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no pictures in"):
        list_pictures(tmp_path)


def test_folder_is_searched_and_the_output_folder_left_out(folder):
    assert [path.name for path in list_pictures(folder)] == ["a.jpg", "bad.jpg", "ü.png"]
    assert [path.name for path in list_pictures(folder, folder / "sub dir")] == ["a.jpg", "bad.jpg"]


def test_picture_is_its_own_list(folder):
    assert list_pictures(folder / "a.jpg", folder) == [folder / "a.jpg"]


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
