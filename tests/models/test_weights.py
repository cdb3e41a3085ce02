"""Fetching and installing weights against a local HTTP server."""

import dataclasses
import hashlib
import http.server
import socket
import subprocess
import sys
import threading

import pytest

from facecli.core import paths
from facecli.core.download import RetryPolicy, discard, download
from facecli.core.errors import DownloadError, OutputError, WeightsError
from facecli.models import weights
from facecli.models.weights_registry import WEIGHTS, Weights, WeightsFile

BODY = bytes(range(256)) * 1024
QUICK = RetryPolicy(tries=2, timeout_s=5, pause_s=0)
FILE = "model.onnx"


class Server(http.server.ThreadingHTTPServer):
    """Serves BODY; `cut` ends an answer early that many times, `etag` and `ranges` set manners."""

    body, etag, ranges, status = BODY, '"one"', True, 200
    cut = 0

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/{FILE}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append((self.path, dict(self.headers)))
        if server.status != 200 or self.path.startswith("/gone"):
            self.send_error(server.status if server.status != 200 else 404)
            return
        start = self._start()
        if start >= len(server.body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            end = len(server.body) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(server.body)}")
        self.send_header("Content-Length", str(len(server.body) - start))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        stop = len(server.body)
        if server.cut:
            server.cut -= 1
            stop = start + (stop - start) // 2
        self.wfile.write(server.body[start:stop])

    def _start(self):
        wanted = self.headers.get("Range")
        if not wanted or not self.server.ranges or self.headers.get("If-Range") != self.server.etag:
            return 0
        return int(wanted.removeprefix("bytes=").partition("-")[0])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    return paths.weights_dir()


@pytest.fixture
def register(monkeypatch):
    """Registers weights `toy` with one file of BODY, changed as wanted."""

    def with_file(*urls, **changes):
        file = WeightsFile(FILE, urls, len(BODY), hashlib.sha256(BODY).hexdigest())
        file = dataclasses.replace(file, **changes)
        monkeypatch.setitem(WEIGHTS, "toy", Weights("toy", "a toy", "free", (file,)))
        return file

    return with_file


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_nothing_is_there_at_first(folder):
    assert weights.find_weights("yunet") is None
    assert weights.find_weights("facenet") is None
    assert not folder.exists()


def test_an_unknown_name_is_refused_with_the_known_ones(folder):
    for call in (weights.find_weights, weights.fetch):
        with pytest.raises(WeightsError, match="no weights 'arcface'; known are facenet, mobilenet, yunet"):
            call("arcface")


def test_download_is_whole_and_leaves_nothing_else(server, folder, register):
    register(server.url)
    seen = []
    path = weights.fetch("toy", on_progress=lambda done, total: seen.append((done, total)), retry=QUICK)
    assert path == folder / FILE == weights.find_weights("toy")
    assert path.read_bytes() == BODY
    assert names(folder) == [FILE]
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    "url", ["http://me:hunter2@127.0.0.1/{}", "http://me:hunter2/x@127.0.0.1/{}", "{}?token=hunter2",
            "ftp://me:hunter2@host/{}", "http://me:x@hunter2/y@127.0.0.1/model.zip"],
)  # fmt: skip
def test_a_password_of_an_address_is_not_said(server, folder, register, url):
    register(server.url)
    server.status = 404
    with pytest.raises(WeightsError) as caught:
        weights.fetch("toy", url.format(server.url if url.startswith("{") else FILE), retry=QUICK)
    chain, error = "", caught.value
    while error is not None:
        chain, error = f"{chain}{error}\n", error.__cause__
    assert "hunter2" not in chain


def test_genuine_weights_are_not_fetched_again(server, folder, register):
    register(server.url)
    weights.fetch("toy", retry=QUICK)
    weights.fetch("toy", retry=QUICK)
    assert len(server.requests) == 1


def test_a_cut_download_is_resumed_at_once(server, folder, register):
    register(server.url)
    server.cut = 1
    assert weights.fetch("toy", retry=QUICK).read_bytes() == BODY
    headers = server.requests[1][1]
    assert headers["Range"] == f"bytes={len(BODY) // 2}-"
    assert headers["If-Range"] == '"one"'


def test_cut_again_and_again_keeps_the_part_for_the_next_command(server, folder, register):
    register(server.url)
    server.cut = 2
    with pytest.raises(WeightsError, match="the same command goes on from there"):
        weights.fetch("toy", retry=QUICK)
    assert weights.find_weights("toy") is None
    kept = (folder / f"{FILE}.part").stat().st_size
    assert kept == len(BODY) * 3 // 4
    assert weights.fetch("toy", retry=QUICK).read_bytes() == BODY
    assert server.requests[-1][1]["Range"] == f"bytes={kept}-"
    assert names(folder) == [FILE]


def test_ctrl_c_keeps_the_part(server, folder, register):
    register(server.url)

    def interrupt(done, total):
        if done > len(BODY) // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.fetch("toy", on_progress=interrupt, retry=QUICK)
    assert weights.find_weights("toy") is None
    assert (folder / f"{FILE}.part").stat().st_size > len(BODY) // 2
    assert weights.fetch("toy", retry=QUICK).read_bytes() == BODY
    assert server.requests[-1][1]["Range"]


@pytest.mark.parametrize(
    "manners", [{"ranges": False}, {"etag": '"two"'}, {"etag": 'W/"one"'}, {"etag": None}]
)
def test_a_server_that_cannot_resume_sends_it_all_again(server, folder, register, manners):
    register(server.url)
    server.cut = 2
    with pytest.raises(WeightsError):
        weights.fetch("toy", retry=QUICK)
    for name, value in manners.items():
        setattr(server, name, value)
    assert weights.fetch("toy", retry=QUICK).read_bytes() == BODY


@pytest.mark.parametrize("etag", ['W/"one"', None])
def test_without_a_strong_etag_no_range_is_asked(server, folder, register, etag):
    register(server.url)
    server.etag, server.cut = etag, 1
    assert weights.fetch("toy", retry=QUICK).read_bytes() == BODY
    assert all("Range" not in headers for _, headers in server.requests)


def test_a_part_that_is_already_whole_is_started_anew(server, folder, register):
    register(server.url)
    folder.mkdir(parents=True)
    (folder / f"{FILE}.part").write_bytes(BODY)
    (folder / f"{FILE}.part.etag").write_text('"one"')
    assert weights.fetch("toy", retry=QUICK).read_bytes() == BODY
    assert names(folder) == [FILE]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "0" * 64}, "has sha256 .* instead of 0000"),
        ({"size": len(BODY) + 1}, f"has {len(BODY)} bytes instead of {len(BODY) + 1}"),
        ({"size": len(BODY) - 1}, f"has {len(BODY)} bytes, expected at most {len(BODY) - 1}"),
    ],
)
def test_what_is_not_the_published_file_is_not_installed(server, folder, register, changes, message):
    register(server.url, **changes)
    with pytest.raises(WeightsError, match=message):
        weights.fetch("toy", retry=QUICK)
    assert names(folder) == []


def test_a_damaged_installed_file_is_told_not_trusted(server, folder, register):
    register(server.url)
    weights.fetch("toy", retry=QUICK).write_bytes(b"x" * len(BODY))
    with pytest.raises(WeightsError, match="delete it and fetch it again"):
        weights.fetch("toy", retry=QUICK)


def test_not_found_tries_the_next_address(server, folder, register):
    register(server.url.replace(FILE, f"gone/{FILE}"), server.url)
    assert weights.fetch("toy", retry=QUICK).read_bytes() == BODY
    assert [path for path, _ in server.requests] == [f"/gone/{FILE}", f"/{FILE}"]


def test_not_found_anywhere_names_address_folder_and_the_way_by_hand(server, folder, register):
    register(server.url)
    server.status = 404
    with pytest.raises(WeightsError, match="HTTP 404") as caught:
        weights.fetch("toy", retry=QUICK)
    for part in (server.url, str(folder), "--from PATH"):
        assert part in str(caught.value)
    assert len(server.requests) == 1
    assert names(folder) == []


@pytest.mark.parametrize(("status", "requests"), [(403, 1), (503, 2)])
def test_only_passing_troubles_are_retried(server, folder, register, status, requests):
    register(server.url)
    server.status = status
    with pytest.raises(WeightsError, match=f"HTTP {status}"):
        weights.fetch("toy", retry=QUICK)
    assert len(server.requests) == requests


def test_offline_is_one_plain_line(folder, register, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/{FILE}"
    register(url)
    with pytest.raises(WeightsError, match="cannot fetch") as caught:
        weights.fetch("toy", retry=QUICK)
    message = str(caught.value)
    assert "\n" not in message
    for part in (url, str(folder), "--from PATH"):
        assert part in message
    assert names(folder) == []


def test_another_address_must_name_a_known_kind_of_file(server, folder, register):
    register("http://127.0.0.1:1/never-asked.onnx")
    assert weights.fetch("toy", url=f"{server.url}?token=1", retry=QUICK).name == FILE
    with pytest.raises(WeightsError, match="none of model.onnx"):
        weights.fetch("toy", url="http://127.0.0.1/model.exe", retry=QUICK)


def test_only_http_is_fetched(folder, tmp_path):
    with pytest.raises(DownloadError, match="not an http address"):
        download("file:///etc/passwd", tmp_path / "part")


def test_an_endless_answer_is_stopped(server, tmp_path):
    with pytest.raises(DownloadError, match="at most 1000"):
        download(server.url, tmp_path / "part", max_bytes=1000, retry=QUICK)
    discard(tmp_path / "part")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(server, folder, register):
    register(server.url)
    folder.parent.mkdir(parents=True)
    folder.write_text("a file in the way")
    with pytest.raises(OutputError, match="cannot write"):
        weights.fetch("toy", retry=QUICK)
    assert server.requests == []


def test_install_takes_a_genuine_file_under_any_name(folder, register, tmp_path):
    register()
    source = tmp_path / "downloads" / "saved by browser (1).onnx"
    source.parent.mkdir()
    source.write_bytes(BODY)
    assert weights.install("toy", source) == folder / FILE
    assert (folder / FILE).read_bytes() == BODY
    assert weights.install("toy", folder / FILE) == folder / FILE
    assert names(folder) == [FILE]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.onnx", b"", "has 0 bytes"),
        ("a.onnx", b"x" * len(BODY), "has sha256"),
        ("a.txt", BODY, "is none of model.onnx"),
    ],
)
def test_install_refuses_what_is_not_the_published_file(folder, register, tmp_path, name, content, message):
    register()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        weights.install("toy", tmp_path / name)
    assert names(folder) == []


def test_install_names_a_missing_file(folder, register, tmp_path):
    register()
    with pytest.raises(WeightsError, match="no file .*gone.onnx; name one of model.onnx"):
        weights.install("toy", tmp_path / "gone.onnx")


def test_the_content_of_arrays_decides_when_the_file_digest_is_unknown(folder, tmp_path, monkeypatch):
    import numpy as np

    from facecli.models.pretrained import content_digest

    arrays = {"a_kernel": np.ones((2, 2), "float32")}
    file = WeightsFile("arrays.npz", content=content_digest(arrays))
    monkeypatch.setitem(WEIGHTS, "toy", Weights("toy", "a toy", "free", (file,)))
    np.savez(tmp_path / "good.npz", **arrays)
    np.savez_compressed(tmp_path / "packed.npz", **arrays)
    np.savez(tmp_path / "bad.npz", a_kernel=np.zeros((2, 2)))
    assert weights.install("toy", tmp_path / "good.npz") == weights.install("toy", tmp_path / "packed.npz")
    with pytest.raises(WeightsError, match="holds other arrays"):
        weights.install("toy", tmp_path / "bad.npz")


def test_asking_for_weights_imports_nothing_heavy():
    code = (
        "import sys; from facecli.models.weights import find_weights; find_weights('yunet');"
        "print([m for m in ('numpy', 'keras', 'tensorflow', 'rich', 'h5py', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_registry_is_well_formed():
    for name, known in WEIGHTS.items():
        assert name == known.name
        assert known.licence
        for file in known.files:
            assert file.sha256 or file.content
            assert all(url.startswith("https://") and url.endswith(file.file_name) for url in file.urls)
