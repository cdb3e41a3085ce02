"""Files, folders, standard input."""

import errno
import io
import os
import sys
from pathlib import Path

import pytest

from facecli.core.errors import ImageError, InputError
from facecli.core.files import TargetNames
from facecli.sources.files import FileSource, FolderSource, StdinSource, as_text, check_regular


def items(source, prefix=()):
    return list(source.items(TargetNames(), prefix))


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no pictures in"):
        FolderSource(tmp_path)


def test_folder_is_searched_and_folders_of_results_are_left_out(folder):
    assert [one.target_name for one in items(FolderSource(folder))] == ["a.jpg", "bad.jpg", "sub dir/ü.png"]
    left = items(FolderSource(folder, [folder / "sub dir"]), ("photos",))
    assert [one.target_name for one in left] == ["photos/a.jpg", "photos/bad.jpg"]
    assert left[0].source == str(folder / "a.jpg")


def test_folders_that_cannot_be_looked_into_are_named(folder, monkeypatch):
    def refuse(path, scandir=os.scandir):
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    closed, said = folder / "sub dir", []
    assert len(items(FolderSource(folder, notify=said.append))) == 2
    assert said[:1] == [f"{closed} cannot be looked into (Permission denied) and is left out"]
    closed = folder
    with pytest.raises(InputError, match="cannot read the folder .*: Permission denied; check its"):
        FolderSource(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not have")
@pytest.mark.parametrize("name", ["-dash.png", "写真 ü.png", "line\nend.png", "[1] *.png", b"\xff.png"])
def test_any_name_is_read_and_can_be_written(name, tmp_path, png):
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(png)
    (one,) = items(FileSource(path))
    assert one.load() == png
    one.source.encode()
    one.target_name.encode()


def test_bytes_that_are_no_text_are_told_apart():
    assert as_text(os.fsdecode(b"\xff")) != as_text(os.fsdecode(b"\xfe"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes among files")
def test_pipes_devices_and_folders_are_refused_without_being_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for path, kind in ((tmp_path / "pipe.jpg", "a pipe"), ("/dev/zero", "a device"), (tmp_path, "a folder")):
        with pytest.raises(ImageError, match=kind):
            check_regular(path)


def test_missing_file_is_an_error_when_it_is_read(tmp_path):
    (one,) = items(FileSource(tmp_path / "none.jpg"))
    with pytest.raises(ImageError, match="none.jpg: No such file"):
        one.load()


def test_standard_input_is_one_picture(png):
    (one,) = items(StdinSource(io.BytesIO(png)))
    assert (one.source, one.target_name, one.load()) == ("-", "stdin.png", png)


def test_nothing_or_too_much_on_standard_input(monkeypatch):
    (one,) = items(StdinSource(io.BytesIO()))
    with pytest.raises(ImageError, match="standard input is empty"):
        one.load()
    monkeypatch.setattr("facecli.sources.files.MAX_BYTES", 10)
    (one,) = items(StdinSource(io.BytesIO(b"x" * 11)))
    with pytest.raises(ImageError, match="more than 10 bytes"):
        one.load()
