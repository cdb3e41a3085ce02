"""Folders of pictures, an analyzer without a model, and a server of strange answers."""

import http.server
import threading
import time

import cv2
import numpy as np
import pytest
from picture_fakes import OneFace

from facecli.core.images import save_image


@pytest.fixture
def folder(tmp_path):
    """Two pictures, one that is empty, one file that is none."""
    root = tmp_path / "photos"
    for name in ("a.jpg", "sub dir/ü.png"):
        save_image(root / name, np.full((20, 30, 3), 90, np.uint8))
    (root / "bad.jpg").write_bytes(b"")
    (root / "notes.txt").write_text("no picture")
    return root


def numbered_pictures(folder, count):
    """A folder of small pictures, each another one, 000.png to the last, and bad.jpg, which is none."""
    for number in range(count):
        save_image(folder / f"{number:03}.png", np.full((24, 24, 3), 240 * number // count, np.uint8))
    (folder / "bad.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def facecli(tiny_checkpoint, capfd, monkeypatch):
    """Runs a command, `run` with the tiny model and without a window: (exit code, stdout, stderr)."""
    from facecli.cli.app import main

    monkeypatch.delenv("DISPLAY", raising=False)

    def facecli(*arguments):
        words = list(map(str, arguments))
        if words[0] == "run":
            words += ["--model-path", str(tiny_checkpoint.folder), "--detector", "none", "--no-show"]
        code = main(words)
        said = capfd.readouterr()
        return code, said.out, said.err

    return facecli


@pytest.fixture(scope="session")
def png():
    """A small picture as bytes."""
    return cv2.imencode(".png", np.full((20, 30, 3), 90, np.uint8))[1].tobytes()


@pytest.fixture
def analyzer():
    return OneFace()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        self.server.asked.append(self.path)
        getattr(self, f"_{self.path.strip('/').partition('?')[0].replace('.', '_')}")()

    def log_message(self, *_):
        pass

    def _say(self, data, status=200, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def _go(self, target):
        self._say(b"", 302, Location=target)

    def _a_png(self):
        self._say(self.server.png)

    def _page(self):
        self._say(b"<!doctype html><p>no picture", Content_Type="text/html; charset=utf-8")

    def _gone(self):
        self._say(b"no", 404)

    def _moved(self):
        self._go("/a.png")

    def _circle(self):
        self._go("/circle2")

    def _circle2(self):
        self._go("/circle")

    def _far(self):
        steps = len([path for path in self.server.asked if path.startswith("/far")])
        self._go(f"/far?{steps}")

    def _private(self):
        self._go("http://169.254.169.254/latest/meta-data/")

    def _file(self):
        self._go("file:///etc/passwd")

    def _password(self):
        self._go("http://me:secret@127.0.0.1/a.png")

    def _wrong(self):
        self._go("http://me:hunter2\uff03@host/".encode().decode("latin-1"))

    def _silent(self):
        self.server.closing.wait(20)

    def _drops(self):
        """A byte at a time, each soon enough."""
        self.send_response(200)
        self.end_headers()
        while not self.server.closing.wait(0.05):
            self.wfile.write(b"x")

    def _header_drops(self):
        while not self.server.closing.wait(0.05):
            self.wfile.write(b"H")

    def _endless(self):
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"x" * 65536)

    def _promised(self):
        self.send_response(200)
        self.send_header("Content-Length", str(10 << 30))
        self.end_headers()

    def _cut(self):
        self.send_response(200)
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b"x" * 100)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that hang up are what these tests are about."""


@pytest.fixture
def server(png):
    """`url` of a server on this machine; `asked` holds the paths that were asked for."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.png, server.asked, server.closing = png, [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join(5)
        time.sleep(0)
