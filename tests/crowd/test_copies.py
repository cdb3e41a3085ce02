"""Copies beside what is there: nothing is written over, nothing half-written stays."""

import dataclasses
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from facecli.core.errors import OutputError
from facecli.crowd.search import copy_pictures

ONE, TWO = (cv2.imencode(".png", np.full((8, 8, 3), level, np.uint8))[1].tobytes() for level in (1, 2))


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Two pictures of one name in two folders, as current folder."""
    monkeypatch.chdir(tmp_path)
    for folder, content in (("one", ONE), ("two", TWO)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").write_bytes(content)
    return tmp_path


@pytest.fixture
def subjects(crowd_of, row, face):
    return lambda *sources: crowd_of(*(row(source, face(), face()) for source in sources)).subjects


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_nothing_to_copy_makes_an_empty_folder(pictures):
    done = copy_pictures([], pictures / "out")
    assert done.copied == [] and contents(pictures / "out") == {}


def test_one_name_twice_gives_two_files_and_each_picture_one(pictures, subjects):
    done = copy_pictures(subjects("one/a.jpg", "two/a.jpg"), pictures / "out")
    assert contents(pictures / "out") == {"a.jpg": ONE, "a-2.jpg": TWO}
    assert len(done.copied) == 2 and done.failed == []


def test_what_lies_there_is_never_written_over(pictures, subjects):
    (pictures / "out").mkdir()
    (pictures / "out" / "a.jpg").write_bytes(b"mine")
    copy_pictures(subjects("one/a.jpg"), pictures / "out")
    assert contents(pictures / "out") == {"a.jpg": b"mine", "a-2.jpg": ONE}


def test_again_copies_nothing_twice(pictures, subjects):
    found = subjects("one/a.jpg", "two/a.jpg")
    copy_pictures(found, pictures / "out")
    done = copy_pictures(found, pictures / "out")
    assert (len(done.copied), len(done.there)) == (0, 2)
    assert len(contents(pictures / "out")) == 2


def test_a_picture_is_not_copied_into_its_own_folder(pictures, subjects):
    done = copy_pictures(subjects("one/a.jpg"), pictures / "one")
    assert (len(done.there), list(contents(pictures / "one"))) == (1, ["a.jpg"])


@pytest.mark.parametrize(
    "source", ["gone.jpg", "http://x/a.jpg", "nul\0.jpg", "one", "/dev/null", "", "pics.zip/a.jpg"]
)
def test_what_is_no_file_here_is_said(pictures, subjects, source):
    done = copy_pictures(subjects(source, "two/a.jpg"), pictures / "out")
    assert len(done.failed) == 1 and done.failed[0].startswith(source)
    assert contents(pictures / "out") == {"a.jpg": TWO}


@pytest.mark.parametrize("content", [b"", b"root:x:0:0", TWO[:40], TWO[:-20], b"%PDF-1.7", b"<svg/>"])
def test_what_does_not_decode_as_a_picture_is_not_copied(pictures, subjects, content):
    (pictures / "secret").write_bytes(content)
    (pictures / "b.jpg").symlink_to("secret")
    for source in ("secret", "b.jpg", str(pictures / "secret")):
        done = copy_pictures(subjects(source), pictures / "out")
        assert len(done.failed) == 1 and done.failed[0].startswith(f"{source}: ")
    assert contents(pictures / "out") == {}


def test_sources_are_found_beside_the_rows_too(pictures, subjects, monkeypatch):
    found = subjects("one/a.jpg")
    (pictures / "elsewhere").mkdir()
    monkeypatch.chdir(pictures / "elsewhere")
    assert len(copy_pictures(found, pictures / "out").copied) == 1


def test_clips_are_not_copied(pictures, subjects):
    track = dataclasses.replace(subjects("one/a.jpg")[0], track=1, face=None)
    done = copy_pictures([track], pictures / "out")
    assert done.videos == ["one/a.jpg"] and contents(pictures / "out") == {}


def test_a_link_at_the_target_is_not_followed(pictures, subjects):
    (pictures / "out").mkdir()
    (pictures / "out" / "a.jpg").symlink_to(pictures / "outside.jpg")
    copy_pictures(subjects("one/a.jpg"), pictures / "out")
    assert not (pictures / "outside.jpg").exists()
    assert (pictures / "out" / "a-2.jpg").read_bytes() == ONE


def test_a_full_disk_leaves_nothing_behind(pictures, subjects, monkeypatch):
    def full(file, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    done = copy_pictures(subjects("one/a.jpg"), pictures / "out")
    assert "No space left" in done.failed[0] and contents(pictures / "out") == {}


def test_a_folder_that_cannot_be_made(pictures, subjects):
    (pictures / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot make the folder"):
        copy_pictures(subjects("one/a.jpg"), pictures / "file" / os.curdir / "out")
