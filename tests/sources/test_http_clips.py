"""Clips and streams from a server: a length or an end makes a clip, what never answers is given up."""

import http.server
import itertools
import socket
import threading
import time

import pytest
from clip_corpus import KINDS

from facecli.core.errors import SourceError
from facecli.sources import clip
from facecli.sources.video import open_source

BY_NAME = {kind.name: kind for kind in KINDS}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the files of a folder: whole, in chunks without a length, in ranges not at all, or never."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: N802
        path = self.path.partition("?")[0].removeprefix("/")
        content = self.server.files.get(path.split("/")[-1])
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        if not path.startswith("chunked"):
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in itertools.batched(content, 1000) if hasattr(itertools, "batched") else _parts(content):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), bytes(part)))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        """Nothing."""


def _parts(content):
    return (content[place : place + 1000] for place in range(0, len(content), 1000))


@pytest.fixture
def server(tmp_path):
    """Serves clips of the corpus by name, "mp4" and "ts"; gives the address."""
    files = {}
    for name in ("h264_mp4", "h264_mkv", "h264_ts"):
        path = tmp_path / name
        suffixed = path.with_suffix(BY_NAME[name].suffix)
        BY_NAME[name].make(suffixed)
        files[suffixed.name] = suffixed.read_bytes()
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.files = files
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.mark.parametrize("file", ["h264_mp4.mp4", "h264_mkv.mkv", "h264_ts.ts", "chunked/h264_mkv.mkv"])
def test_what_has_a_length_is_a_clip(server, file):
    with open_source(f"{server}/{file}") as source:
        assert not source.live
        assert len(list(source)) == 20


def test_an_answer_that_ends_is_no_lost_camera(server):
    with open_source(f"{server}/chunked/h264_ts.ts") as source:
        assert source.live and not source.has_sound
        assert len(list(source)) == 20


def test_what_is_not_there_is_named_without_its_secrets(server):
    with pytest.raises(SourceError, match="check the address and the network") as caught:
        open_source(f"{server}/nowhere.mp4?token=abc123")
    assert "abc123" not in str(caught.value)


def test_a_server_that_never_answers_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr(clip, "STALL_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(SourceError, match="cannot be opened"):
            open_source(f"http://127.0.0.1:{silent.getsockname()[1]}/clip.mp4")
        assert time.monotonic() - start < 10
