import hashlib
import http.server
import io
import shutil
import tarfile
import threading
import zipfile

import pytest

from facecli.core.download import PublishedFile, RetryPolicy
from facecli.core.errors import DataError, DownloadError, InputError, OutputError
from facecli.data import archives
from facecli.data.archives import DATASETS, PublicDataset, archive_stem, get_dataset, unpack


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
def test_unpacks_into_the_data_folder_once(write_tar, write_zip, name, home):
    write = write_zip if name.endswith(".zip") else write_tar
    path = write(name, {"top/a ü.jpg": b"1", "b.jpg": b"22", "empty.jpg": b""})
    folder = unpack([path], "faces", progress=False)
    assert folder == home / "data" / "faces" and names(path.parent) == [path.name]
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


def test_folder_of_another_origin_is_not_touched(write_tar, home):
    path = write_tar("faces.tar.gz", {"a.jpg": b"x"})
    (home / "data" / "faces").mkdir(parents=True)
    with pytest.raises(InputError, match="was not unpacked from this"):
        unpack([path], "faces", progress=False)
    assert names(home / "data" / "faces") == []


def test_what_an_earlier_version_unpacked_beside_the_archive_is_used(write_tar, home):
    path = write_tar("faces.tar.gz", {"a.jpg": b"x"})
    before = unpack([path], "faces", progress=False).rename(path.parent / "faces")
    assert unpack([path], "faces", progress=False) == before and not (home / "data" / "faces").exists()


def test_a_data_folder_that_cannot_be_made_is_one_line(write_tar, home):
    home.mkdir(exist_ok=True)
    (home / "data").write_text("")
    with pytest.raises(OutputError, match="cannot unpack to"):
        unpack([write_tar("faces.tar.gz", {"a.jpg": b"x"})], "faces", progress=False)


# Public data sets

QUICK = RetryPolicy(tries=2, timeout_s=5, pause_s=0)


class Server(http.server.ThreadingHTTPServer):
    """Serves files by name; the first answer is cut in half when `cuts`."""

    def __init__(self, files, cuts=0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cuts, self.asked = files, cuts, []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path[1:].partition("?")[0]
        self.server.asked.append((name, self.headers.get("Range")))
        if name not in self.server.files:
            self.send_error(404)
            return
        body = self.server.files[name]
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("ETag", '"one"')
        self.end_headers()
        stop = len(body)
        if self.server.cuts:
            self.server.cuts -= 1
            stop = len(body) // 2
        self.wfile.write(body[start:stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def served(write_tar, monkeypatch):
    """Serves a small data set called toy, which is known from then on."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    content = write_tar("toy.tar.gz", {"toy/1_0_0_1.jpg": b"x" * 5000}).read_bytes()
    with Server({"toy.tar.gz": content, "pairs.txt": b"a b"}) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        digest = hashlib.sha256(content).hexdigest()
        files = (
            PublishedFile("toy.tar.gz", (f"{server.url}/gone", f"{server.url}/toy.tar.gz"), sha256=digest),
            PublishedFile("pairs.txt", (f"{server.url}/pairs.txt",)),
        )
        monkeypatch.setitem(DATASETS, "toy", PublicDataset("toy", "none", "http://toy", "Toy", files))
        yield server
        server.shutdown()
        thread.join()


def test_a_data_set_is_fetched_checked_and_unpacked_once(served, home):
    folder = get_dataset("toy", retry=QUICK)
    assert folder == home / "data" / "Toy" and (folder / "toy/1_0_0_1.jpg").stat().st_size == 5000
    assert (folder / "pairs.txt").read_text() == "a b"
    asked = len(served.asked)
    assert get_dataset("toy", retry=QUICK) == folder and len(served.asked) == asked


def test_a_cut_download_goes_on_with_the_next_command(served, home):
    served.cuts = 2
    with pytest.raises(DownloadError, match="the same command goes on from there"):
        get_dataset("toy", retry=QUICK)
    assert not (home / "data" / "Toy").exists()
    assert get_dataset("toy", retry=QUICK).is_dir()
    assert served.asked[-2][1].startswith("bytes=")


def test_what_is_not_the_published_archive_is_not_unpacked(served, home):
    served.files["toy.tar.gz"] = served.files["toy.tar.gz"][:-1] + b"?"
    with pytest.raises(DownloadError, match="has sha256"):
        get_dataset("toy", retry=QUICK)
    assert names(home / "data") == []


def test_an_address_and_an_archive_of_ones_own_take_the_place_of_the_download(served, home, tmp_path):
    (tmp_path / "mine.tar.gz").write_bytes(served.files["toy.tar.gz"])
    assert get_dataset("toy", source=tmp_path / "mine.tar.gz").is_dir() and served.asked == []
    served.files["other.tar.gz"] = served.files["toy.tar.gz"]
    shutil.rmtree(home / "data")
    assert get_dataset("toy", url=f"{served.url}/other.tar.gz?download=1", retry=QUICK).is_dir()


def test_what_is_fetched_and_no_archive_does_not_stand_in_the_way_of_one_that_is(served, home):
    served.files |= {"page": b"<html>log in</html>", "good": served.files["toy.tar.gz"]}
    with pytest.raises(
        DataError, match="is damaged .*: what was fetched is not a complete archive; nothing of it was kept"
    ):
        get_dataset("toy", url=f"{served.url}/page", retry=QUICK)
    assert names(home / "data") == []
    assert get_dataset("toy", url=f"{served.url}/good", retry=QUICK).is_dir()


def test_a_damaged_archive_that_was_there_is_left_to_its_owner(served, home):
    (home / "data").mkdir(parents=True)
    (home / "data" / "own.tar.gz").write_bytes(b"damaged")
    with pytest.raises(DataError, match="delete it"):
        get_dataset("toy", url=f"{served.url}/own.tar.gz", retry=QUICK)
    assert names(home / "data") == ["own.tar.gz"] and served.asked == []


def test_nothing_is_fetched_for_a_folder_that_came_from_elsewhere(served, home):
    (home / "data" / "Toy").mkdir(parents=True)
    with pytest.raises(InputError, match="exists already"):
        get_dataset("toy", retry=QUICK)
    assert served.asked == []


def test_an_archive_of_nothing_is_no_data_set(write_tar, home):
    with pytest.raises(DataError, match="holds no files"):
        get_dataset("lfw", source=write_tar("none.tar.gz", {}))
    assert names(home / "data") == []


def test_the_kind_of_archive_is_seen_in_what_an_address_without_a_name_sends(served, write_zip):
    served.files["download"] = write_zip("x.zip", {"a/1_0_0_1.jpg": b"x"}).read_bytes()
    folder = get_dataset("toy", url=f"{served.url}/download", retry=QUICK)
    assert (folder / "a/1_0_0_1.jpg").read_bytes() == b"x"


def test_an_archive_of_another_set_is_not_believed(write_tar, home):
    faces = write_tar("UTKFace.tar.gz", {"UTKFace/1_0_0_1.jpg": b"x"})
    with pytest.raises(InputError, match="is not Labeled Faces in the Wild, funneled: no \\*_0001.jpg"):
        get_dataset("lfw", source=faces)
    assert names(home / "data") == []
    assert get_dataset("utkface", source=faces) == home / "data" / "UTKFace"


def test_a_folder_whose_archive_was_deleted_is_not_fetched_again(served, home):
    folder = get_dataset("toy", retry=QUICK)
    asked = len(served.asked)
    (home / "data" / "toy.tar.gz").unlink()
    assert get_dataset("toy", retry=QUICK) == folder and len(served.asked) == asked
    (folder / "pairs.txt").unlink()
    assert (get_dataset("toy", retry=QUICK) / "pairs.txt").is_file()


@pytest.mark.parametrize("name", ["none.tar.gz", "notes.txt"])
def test_what_is_no_archive_is_refused(name, tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"is not a \.tar\.gz"):
        get_dataset("lfw", source=tmp_path / name)


def test_nothing_of_that_name_at_any_address(served):
    served.files.clear()
    with pytest.raises(DownloadError, match="does not exist") as raised:
        get_dataset("toy", retry=QUICK)
    assert "--from PATH" in raised.value.hint


def test_every_public_set_is_fetched_or_says_how(home):
    for name, known in DATASETS.items():
        assert known.title and known.terms and known.page.startswith("https://") and known.size
        assert bool(known.files) != bool(known.by_hand)
        if not known.files:
            with pytest.raises(DownloadError, match="cannot be fetched without a browser") as raised:
                get_dataset(name)
            assert known.page in str(raised.value) and name in raised.value.hint
    assert not (home / "data").exists()
