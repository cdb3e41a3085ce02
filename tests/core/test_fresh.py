"""New names, never a file that is there."""

from datetime import datetime

import pytest

from facecli.core.errors import OutputError
from facecli.core.files import release_names, reserve_names

MOMENT = datetime(2024, 1, 31, 14, 23, 5)


def names(paths):
    return [path.name for path in paths]


def test_no_suffix_no_file(tmp_path):
    assert reserve_names(tmp_path / "new", ("",), MOMENT)[0].name == "facecli-20240131-142305"


def test_names_tell_the_time_and_are_never_taken_twice(tmp_path):
    assert names(reserve_names(tmp_path, (".png", ".json"), MOMENT)) == [
        "facecli-20240131-142305.png", "facecli-20240131-142305.json",
    ]  # fmt: skip
    assert names(reserve_names(tmp_path, (".png",), MOMENT)) == ["facecli-20240131-142305-2.png"]


def test_one_file_of_the_pair_is_enough_to_keep_off(tmp_path):
    old = tmp_path / "facecli-20240131-142305.json"
    old.write_text("old")
    assert names(reserve_names(tmp_path, (".png", ".json"), MOMENT))[0] == "facecli-20240131-142305-2.png"
    assert old.read_text() == "old" and not (tmp_path / "facecli-20240131-142305.png").exists()


def test_what_stayed_empty_is_given_back(tmp_path):
    empty, full = reserve_names(tmp_path, (".a", ".b"), MOMENT)
    full.write_text("x")
    release_names([empty, full, tmp_path / "gone"])
    assert list(tmp_path.iterdir()) == [full]


def test_folder_that_cannot_be_made_is_one_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write into"):
        reserve_names(tmp_path / "file", (".png",))
