"""Pictures in .tar files, and what must not be read from them."""

import gzip
import io
import tarfile

import pytest

from facecli.core.errors import ImageError, InputError
from facecli.core.files import TargetNames
from facecli.sources import archives
from facecli.sources.archives import TAR_SUFFIXES, TarSource

MODES = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".tbz2": "w:bz2", ".xz": "w:xz", ".txz": "w:xz"}


def items(source):
    return list(source.items(TargetNames(), ()))


def member(name, data=b"", **more):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


@pytest.fixture
def packed(tmp_path):
    """Writes an archive of members."""

    def packed(*members, name="photos.tar"):
        mode = next((mode for suffix, mode in MODES.items() if name.endswith(suffix)), "w")
        with tarfile.open(tmp_path / name, mode) as archive:
            for info, data in members:
                archive.addfile(info, io.BytesIO(data))
        return tmp_path / name

    return packed


def test_archive_without_pictures_is_an_error(packed):
    (one,) = items(TarSource(packed(member("notes.txt", b"x"))))
    with pytest.raises(ImageError, match="no pictures in"):
        one.load()


@pytest.mark.parametrize("suffix", TAR_SUFFIXES)
def test_pictures_are_read_in_the_order_of_the_archive(packed, png, suffix, tmp_path):
    folder = member("b", type=tarfile.DIRTYPE)
    path = packed(folder, member("b/ü.png", png), member("a.png", png + b"2"), name=f"photos{suffix}")
    found = items(TarSource(path))
    assert [one.source for one in found] == [f"{path}/b/ü.png", f"{path}/a.png"]
    assert [one.load() for one in found] == [png, png + b"2"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (member("../a.png", b"x"), "leads out"),
        (member("/a.png", b"x"), "leads out"),
        (member("a.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "a link"),
        (member("a.png", type=tarfile.LNKTYPE, linkname="good.png"), "a link"),
        (member("a.png", type=tarfile.CHRTYPE), "a link or no file"),
        (member("a.png", type=tarfile.FIFOTYPE), "a link or no file"),
    ],
)
def test_dangerous_members_are_refused_and_the_rest_is_read(packed, png, bad, reason):
    refused, good = items(TarSource(packed(bad, member("good.png", png))))
    with pytest.raises(ImageError, match=f"is refused.*{reason}"):
        refused.load()
    assert good.load() == png


def test_cut_archive_gives_what_is_whole_and_says_so(packed, png):
    path = packed(*[member(f"{number}.png", png * 50) for number in range(5)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    *whole, cut = items(TarSource(path))
    assert whole and all(one.load() for one in whole[:-1])
    with pytest.raises(ImageError, match="photos.tar"):
        cut.load()


def test_damaged_compression_ends_with_an_error(packed, png):
    path = packed(*[member(f"{number}.png", bytes(range(256)) * 500) for number in range(9)], name="a.tgz")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)
    with pytest.raises(ImageError, match="cannot be read on"):
        items(TarSource(path))[-1].load()


def test_bombs_are_left_at_a_bound(packed, png, monkeypatch):
    monkeypatch.setattr(archives, "_MOST_UNPACKED", 1 << 20)
    monkeypatch.setattr(archives, "_MOST_RATIO", 1)
    path = packed(
        member("a.png", png), member("junk.bin", bytes(8 << 20)), member("b.png", png), name="b.tgz"
    )
    first, bomb = items(TarSource(path))
    assert first.load() == png
    with pytest.raises(ImageError, match="unpacks to more than 1,048,576 bytes"):
        bomb.load()


def test_a_header_that_claims_gigabytes_is_not_read_into_memory(tmp_path, png):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 3 << 30
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + bytes(1 << 16)))
    with pytest.raises(InputError, match="too large"):
        TarSource(tmp_path / "a.tar.gz")


def read_unbounded(self, size=-1):
    return self._file.read(size)


def test_members_larger_than_a_picture_file_are_refused(packed, png, monkeypatch):
    path = packed(member("a.png", png), member("b.png", b"x"))
    monkeypatch.setattr(archives, "MAX_BYTES", 1000 if len(png) > 1000 else len(png) - 1)
    monkeypatch.setattr(archives._Bounded, "read", read_unbounded)
    large, good = items(TarSource(path))
    with pytest.raises(ImageError, match="more than"):
        large.load()
    assert good.load() == b"x"


def test_what_is_no_archive(tmp_path):
    for name, content in (("a.tar", b""), ("a.tar", b"x" * 3000), ("a.tgz", b"x"), ("a.txz", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="cannot be read as a .tar"):
            TarSource(tmp_path / name)
