import io
import tarfile
import zipfile

import pytest

from facecli.core.errors import DataError, InputError
from facecli.data import archives
from facecli.data.archives import archive_stem, unpack


@pytest.fixture
def write_tar(tmp_path):
    """write_tar(name, {inner name: bytes or TarInfo}) -> path"""

    def write(name, members):
        path = tmp_path / name
        with tarfile.open(path, "w" if name.endswith(".tar") else "w:gz") as tar:
            for inner, content in members.items():
                if isinstance(content, tarfile.TarInfo):
                    tar.addfile(content)
                    continue
                info = tarfile.TarInfo(inner)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return path

    return write


@pytest.fixture
def write_zip(tmp_path):
    def write(name, members):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for inner, content in members.items():
                packed.writestr(inner, content)
        return path

    return write


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.tar.gz", "a"), ("a.b.TGZ", "a.b"), ("a.tar", "a"), ("a.zip", "a"), (".zip", None), ("a.gz", None)],
)
def test_archives_are_known_by_their_suffix(name, stem, tmp_path):
    assert archive_stem(tmp_path / name) == stem


@pytest.mark.parametrize("name", ["faces.tar.gz", "faces.tgz", "faces.tar", "faces.zip"])
def test_unpacks_beside_the_archive_once(write_tar, write_zip, name):
    write = write_zip if name.endswith(".zip") else write_tar
    path = write(name, {"top/a ü.jpg": b"1", "b.jpg": b"22", "empty.jpg": b""})
    folder = unpack([path], "faces", progress=False)
    assert folder == path.parent / "faces"
    assert (folder / "top" / "a ü.jpg").read_bytes() == b"1"
    assert (folder / "b.jpg").read_bytes() == b"22"
    (folder / "b.jpg").unlink()
    assert unpack([path], "faces", progress=False) == folder
    assert not (folder / "b.jpg").exists()


def test_empty_archive_gives_an_empty_folder(write_tar):
    folder = unpack([write_tar("none.tar.gz", {})], "none", progress=False)
    assert names(folder) == [archives.MARKER]


def test_several_archives_share_a_folder(write_tar):
    paths = [write_tar(f"dataset_{n}.tar.gz", {"a.jpg": b"%d" % n}) for n in (1, 2)]
    folder = unpack(paths, "dataset", progress=False)
    assert (folder / "dataset_1" / "a.jpg").read_bytes() == b"1"
    assert (folder / "dataset_2" / "a.jpg").read_bytes() == b"2"


def link(kind, target):
    info = tarfile.TarInfo("evil.jpg")
    info.type, info.linkname = kind, target
    return info


EVIL = {
    "up": {"../evil.jpg": b"x"},
    "deep up": {"a/../../evil.jpg": b"x"},
    "absolute": {"/tmp/evil.jpg": b"x"},
    "backslash": {"..\\evil.jpg": b"x"},
    "drive": {"C:evil.jpg": b"x"},
}


@pytest.mark.parametrize("kind", EVIL)
@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_path_that_escapes_refuses_the_archive(write_tar, write_zip, kind, suffix, tmp_path):
    write = write_zip if suffix == ".zip" else write_tar
    path = write(f"evil{suffix}", {"good.jpg": b"x", **EVIL[kind]})
    with pytest.raises(DataError, match="leaves its folder"):
        unpack([path], "evil", progress=False)
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize(
    "info",
    [link(tarfile.SYMTYPE, "/etc/passwd"), link(tarfile.LNKTYPE, "good.jpg"), link(tarfile.CHRTYPE, "")],
)
def test_link_or_device_refuses_the_archive(write_tar, info, tmp_path):
    path = write_tar("evil.tar.gz", {"good.jpg": b"x", "evil": info})
    with pytest.raises(DataError, match="link or a device"):
        unpack([path], "evil", progress=False)
    assert names(tmp_path) == [path.name]


def test_link_in_a_zip_refuses_the_archive(tmp_path):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as packed:
        info = zipfile.ZipInfo("evil.jpg")
        info.external_attr = 0o120777 << 16
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="link or a device"):
        unpack([path], "evil", progress=False)
    assert names(tmp_path) == ["evil.zip"]


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
@pytest.mark.parametrize(("limit", "value"), [("MAX_FILES", 2), ("MAX_UNPACKED_BYTES", 250)])
def test_bounds_on_count_and_size(write_tar, write_zip, monkeypatch, suffix, limit, value, tmp_path):
    monkeypatch.setattr(archives, limit, value)
    write = write_zip if suffix == ".zip" else write_tar
    path = write(f"big{suffix}", {f"{row}.jpg": b"0" * 100 for row in range(3)})
    with pytest.raises(DataError, match="holds more than"):
        unpack([path], "big", progress=False)
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".tar", ".zip"])
def test_no_archive_at_all_is_damaged(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"no archive" * 100)
    with pytest.raises(DataError, match="damaged"):
        unpack([path], "a", progress=False)
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_cut_archive_is_damaged(write_tar, write_zip, suffix, tmp_path):
    import random

    write = write_zip if suffix == ".zip" else write_tar
    path = write(f"cut{suffix}", {"a.jpg": random.Random(0).randbytes(50_000)})
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(DataError, match="damaged"):
        unpack([path], "cut", progress=False)
    assert names(tmp_path) == [path.name]


def test_folder_of_another_origin_is_not_touched(write_tar, tmp_path):
    path = write_tar("faces.tar.gz", {"a.jpg": b"x"})
    (tmp_path / "faces").mkdir()
    with pytest.raises(InputError, match="was not unpacked from this"):
        unpack([path], "faces", progress=False)
    assert names(tmp_path / "faces") == []


def test_folder_that_cannot_be_written_falls_back_to_the_cache(write_tar, tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(archives.os, "access", lambda *_: False)
    folder = unpack([write_tar("faces.tar.gz", {"a.jpg": b"x"})], "faces", progress=False)
    assert folder.is_relative_to(tmp_path / "home" / "cache")
    assert (folder / "a.jpg").read_bytes() == b"x"
