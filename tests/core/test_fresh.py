"""New names, never a file that is there."""

import os
import stat
import subprocess
import sys
import threading
import time
from datetime import datetime

import pytest

from facecli.core.errors import OutputError
from facecli.core.files import release_names, reserve_names
from facecli.core.paths import is_stream, remove_leftovers, replacing, replacing_folder

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


@pytest.mark.skipif(os.name != "posix", reason="needs modes of files")
def test_new_files_have_the_mode_that_the_umask_leaves_and_nobody_sets_it(tmp_path, monkeypatch):
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("other threads see it, too"))
        with replacing(tmp_path / "new" / "a.txt") as temporary:
            temporary.write_text("a")
        with replacing_folder(tmp_path / "b") as temporary:
            (temporary / "c").write_text("c")
    finally:
        monkeypatch.undo()
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new/a.txt", "b", "b/c")]
    assert modes == [0o640, 0o750, 0o640]


def test_a_name_as_long_as_the_system_has_them_can_be_written(tmp_path):
    with replacing(tmp_path / f"{'n' * 251}.txt") as temporary:
        temporary.write_text("a")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_filled_and_stays_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    with replacing(tmp_path / "pipe") as temporary:
        temporary.write_bytes(b"rows")
    reader.join()
    assert read == [b"rows"] and (tmp_path / "pipe").is_fifo()
    assert list(tmp_path.iterdir()) == [tmp_path / "pipe"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_device_is_never_replaced():
    with replacing("/dev/null") as temporary:
        temporary.write_bytes(b"rows")
    with (
        pytest.raises(OutputError, match="cannot write /dev/full: No space"),
        replacing("/dev/full") as temporary,
    ):
        temporary.write_bytes(b"rows")
    for name in ("null", "full"):
        assert stat.S_ISCHR(os.stat(f"/dev/{name}").st_mode)


def test_what_is_a_stream(tmp_path):
    (tmp_path / "file").write_text("a")
    for name in ("-", "/dev/null", "/dev/stdout", "/dev/fd/1"):
        assert is_stream(name) or not os.path.exists(name) and name != "-"
    for name in (tmp_path / "file", tmp_path, tmp_path / "gone", "a\0b", "x" * 5000):
        assert not is_stream(name)


@pytest.mark.skipif(os.name != "posix", reason="nobody may be asked there whether he lives")
def test_what_a_killed_process_has_left_is_removed_and_nothing_else(tmp_path):
    code = """
import os, sys
from pathlib import Path
from facecli.core.paths import replacing
with replacing(Path(sys.argv[1])) as temporary:
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "rows.jsonl")]).returncode == -9
    (left,) = tmp_path.iterdir()
    others = [
        tmp_path / name for name in ("rows.jsonl", ".hidden-1-note.txt", ".rows-99999999-0123456.jsonl")
    ]
    for other in others:
        other.write_text("mine")
    elsewhere = tmp_path / ".rows-99999999-01234567.jsonl"
    elsewhere.write_text("of another machine")
    with replacing(tmp_path / "now.jsonl") as ours:
        remove_leftovers(tmp_path.iterdir())
        assert not left.exists() and elsewhere.exists()
        days_ago = time.time() - 2 * 86_400
        for path in tmp_path.iterdir():
            os.utime(path, (days_ago, days_ago))
        remove_leftovers(tmp_path.iterdir())
        assert not elsewhere.exists() and ours.exists() and all(other.exists() for other in others)
