"""Pictures in .zip files, and what must not be read from them."""

import os
import shutil
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from facecli.core.errors import ImageError, InputError
from facecli.core.files import TargetNames
from facecli.sources.archives import ZipSource, is_picture_name, leads_outside


def items(source):
    return list(source.items(TargetNames(), ()))


@pytest.fixture
def packed(tmp_path):
    """Writes a .zip of (name or ZipInfo, bytes)."""

    def packed(*members, compression=zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "photos.zip", "w", compression) as archive:
            for name, data in members:
                archive.writestr(name, data)
        return tmp_path / "photos.zip"

    return packed


@pytest.mark.parametrize("members", [(), (("notes.txt", b"x"), ("__MACOSX/._a.jpg", b"x"), (".a.jpg", b"x"))])
def test_archive_without_pictures_is_refused(packed, members):
    with pytest.raises(InputError, match="no pictures in"):
        ZipSource(packed(*members))


def test_pictures_are_read_one_by_one(packed, png, tmp_path):
    path = packed(("b/ü.png", png), ("a.png", png + b"2"), ("b/notes.txt", b"x"), ("b/", b""))
    found = items(ZipSource(path))
    assert [one.source for one in found] == [f"{path}/b/ü.png", f"{path}/a.png"]
    assert [one.target_name for one in found] == ["b/ü.png", "a.png"]
    assert [one.load() for one in found] == [png, png + b"2"]
    assert list(tmp_path.iterdir()) == [path]


def link(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("member", "data", "reason"),
    [
        ("../../a.png", b"x", "leads out"),
        ("/etc/a.png", b"x", "leads out"),
        ("..\\a.png", b"x", "leads out"),
        ("C:\\a.png", b"x", "leads out"),
        (link("a.png"), b"/etc/passwd", "is a link"),
        ("bomb.png", bytes(20 << 20), "bytes that unpack to 20,971,520"),
    ],
)
def test_dangerous_members_are_refused_by_name_and_the_rest_is_read(packed, png, member, data, reason):
    bad, good = items(ZipSource(packed((member, data), ("good.png", png))))
    with pytest.raises(ImageError, match=f"is refused.*{reason}"):
        bad.load()
    assert not bad.target_name.startswith("/") and ".." not in bad.target_name
    assert good.load() == png


def test_damaged_and_encrypted_members(packed, png):
    path = packed(("a.png", png), ("b.png", png), compression=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.index(png) + 20] ^= 0xFF
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[second + 8] |= 1
    path.write_bytes(data)
    damaged, encrypted = items(ZipSource(path))
    with pytest.raises(ImageError, match="cannot read .*CRC"):
        damaged.load()
    with pytest.raises(ImageError, match="is encrypted"):
        encrypted.load()


def test_what_is_no_archive(tmp_path):
    for content in (b"", b"PK\x03\x04 not really"):
        (tmp_path / "a.zip").write_bytes(content)
        with pytest.raises(InputError, match="cannot be read as a .zip"):
            ZipSource(tmp_path / "a.zip")


def test_one_member_is_no_larger_than_one_file(packed, png, monkeypatch):
    path = packed(("a.png", png))
    monkeypatch.setattr("facecli.sources.archives.MAX_BYTES", len(png) - 1)
    (one,) = items(ZipSource(path))
    with pytest.raises(ImageError, match="more than"):
        one.load()


@pytest.mark.parametrize(
    ("name", "picture", "out"),
    [
        ("a.PNG", True, False),
        ("./a.jpg", True, False),
        ("b/.x/a.jpg", False, False),
        ("a/../b.jpg", True, True),
        ("a.txt", False, False),
    ],
)
def test_names_of_members(name, picture, out):
    assert (is_picture_name(name), leads_outside(name)) == (picture, out)


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files")
def test_archives_are_opened_when_their_turn_comes(packed, png, tmp_path):
    path = packed(("a.png", png))
    copies = [Path(shutil.copy(path, tmp_path / f"{number}.zip")) for number in range(40)]
    before = len(os.listdir("/proc/self/fd"))
    sources = [ZipSource(copy) for copy in copies]
    assert len(os.listdir("/proc/self/fd")) == before
    assert all(one.load() == png for source in sources for one in items(source))
    assert len(os.listdir("/proc/self/fd")) < before + 20


def test_another_archive_of_the_same_name_is_read_anew(packed, png):
    (first,) = items(ZipSource(packed(("a.png", png))))
    assert first.load() == png
    (second,) = items(ZipSource(packed(("a.png", png + b"more"))))
    assert second.load() == png + b"more"


def test_an_archive_that_is_gone_is_an_error_of_its_pictures(packed, png):
    path = packed(("a.png", png))
    (one,) = items(ZipSource(path))
    path.unlink()
    with pytest.raises(ImageError, match="cannot read"):
        one.load()
