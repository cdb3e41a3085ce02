"""Rude clients of `facecli serve`: afterwards it is well, and a polite one is answered."""

import contextlib
import http.client
import json
import random
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image, features

from campaign.bench import TINY_MODEL, Bench
from campaign.bombs import bomb
from campaign.case import Tried, random_of
from campaign.child import FACECLI, memory_of
from campaign.judge import traceback_of
from campaign.mutations import mutated
from campaign.pictures import encoded, face, make_picture

DOCUMENTED = {200, 303, 400, 401, 403, 404, 405, 408, 413, 415, 421, 422, 431, 503}
"""docs/serve.md, and what HTTP itself says of methods and heads."""
PEAK_BYTES = 700_000_000
_BOUNDARY = "b0undary"
_ANSWER_S = 60.0
_PATIENCE_S = 40.0


class Said(NamedTuple):
    """What a client did, the statuses that it got (0: hung up without an answer), and what was wrong."""

    how: str
    statuses: tuple[int, ...]
    faults: tuple[str, ...] = ()


class Servers:
    """One server for the cases of a go; each case is looked at before the next."""

    name = "server"
    about = (
        "`facecli serve`: broken forms, wrong types, aborted and slow uploads, junk, bombs, many at once, "
        "small pictures beside heavy ones; then `/healthz` and a polite request"
    )
    together = 10

    def tried(self, bench: Bench, numbers: range) -> Iterator[Tried]:
        with bench.folder() as folder, _serving(bench, folder) as (process, port):
            command, log = ("facecli", "serve", "--port", "0"), _Log(folder / "stderr")
            for number in numbers:
                rng = random_of(bench.seed, self.name, number)
                before = memory_of(process.pid, "VmHWM")
                attack = rng.choice(_ATTACKS)
                said = attack(rng, port, folder)
                faults = [*_faults_of(said, port, process), *log.faults()]
                after = memory_of(process.pid, "VmHWM")
                if after > PEAK_BYTES and after > before:
                    faults.append(f"{after / 1e6:.0f} MB of memory")
                how = f"{attack.__name__.strip('_')}: {said.how}"
                yield Tried(self.name, range(number, number + 1), how, command, tuple(faults))
                if process.poll() is not None:
                    return
            faults = [*_faults_of_end(process), *log.faults()]
        if faults:
            yield Tried(self.name, numbers, "at the end of the server", command, tuple(faults))


class _Log:
    """What the server writes on standard error, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0

    def faults(self) -> Iterator[str]:
        """Of what is new."""
        new = self._path.read_bytes()[self._read :]
        self._read += len(new)
        if error := traceback_of(new.decode(errors="replace")):
            yield f"traceback: {error}"


@contextlib.contextmanager
def _serving(bench: Bench, folder: Path) -> Iterator[tuple[subprocess.Popen, int]]:
    """The server's process and port."""
    words = ("serve", "--port", "0", "--detector", "haar", "--model-path", str(TINY_MODEL))
    with open(folder / "stderr", "wb") as stderr, open(folder / "stdout", "wb") as stdout:
        process = subprocess.Popen(
            [*FACECLI, *words], cwd=folder, env=bench.environment, stdout=stdout, stderr=stderr
        )
        try:
            yield process, _port(folder)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _port(folder: Path) -> int:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        text = (folder / "stderr").read_text() + (folder / "stdout").read_text()
        if found := re.search(r"http://[^:/]+:(\d+)/", text):
            return int(found[1])
        time.sleep(0.05)
    raise RuntimeError("the server did not say where it listens")


def _faults_of(said: Said, port: int, process: subprocess.Popen) -> Iterator[str]:
    yield from said.faults
    for status in sorted(set(said.statuses) - DOCUMENTED - {0}):
        yield f"status {status}"
    if process.poll() is not None:
        yield f"the server ended with {process.returncode}"
        return
    if (status := _asked(port, "GET", "/healthz")[0]) != 200:
        yield f"/healthz says {status}"
    yield from _polite(port)


def _polite(port: int) -> Iterator[str]:
    """A good picture is answered; 503 may come, but not for ever."""
    until = time.monotonic() + _PATIENCE_S
    status, answer = 503, b""
    while status == 503 and time.monotonic() < until:
        status, answer = _asked(port, "POST", "/api/v1/analyze", encoded(face(), "JPEG"), "image/jpeg")
        if status == 503:
            time.sleep(0.5)
    if status != 200:
        yield f"a polite request gets {status}"
    elif "faces" not in json.loads(answer):
        yield "a polite request gets no row"


def _faults_of_end(process: subprocess.Popen) -> Iterator[str]:
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(60)
    except subprocess.TimeoutExpired:
        yield "no end within 60 s after SIGTERM"
        return
    if code != 0:
        yield f"exit code {code} after SIGTERM"


# ---------------------------------------------------------------- requests


def _asked(
    port: int, method: str, path: str, body: bytes = b"", kind: str = "", timeout_s: float = _ANSWER_S
) -> tuple[int, bytes]:
    """(status, answer); status 0 where the connection was closed, 1 where nothing came in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body or None, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except TimeoutError:
        return 1, b""
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def _form(*pictures: bytes, name: str = "file") -> bytes:
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="a.jpg"\r\n\r\n'.encode()
        + picture
        + b"\r\n"
        for picture in pictures
    ]
    return b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()


_FORM = f"multipart/form-data; boundary={_BOUNDARY}"
_PATHS = ("/api/v1/analyze", "/api/v1/annotate", "/predict")


def _broken_form(rng: random.Random, port: int, folder: Path) -> Said:
    body, how = mutated(rng, _form(encoded(face(), "JPEG"), name=rng.choice(("file", "image", "x"))))
    path = rng.choice(_PATHS)
    return Said(f"{path} {how}", (_asked(port, "POST", path, body, _FORM)[0],))


_TYPES = (
    "text/plain", "image/jpeg", "application/json", "multipart/form-data", "", "x", "image/", "a/b; " * 500,
)  # fmt: skip
_PARAMETERS = ("model", "detector", "details", "anonymize", "format", "show_rejected", "x")
_VALUES = ("", "facenet", "cnn", "none", "%00", "..%2f..", "1" * 3000, "blur", "true", "%ff", ",,,")
_PAGES = ("/", "/api/v1/models", "/metrics", "/live", "/static/../../etc/passwd", "/%2e%2e/")
_URLS = (
    b'{"url": "http://127.0.0.1/"}', b'{"url": null}', b'{"urls": []}', b'{"urls": "x"}', b"[" * 100_000,
    b'{"url": "file:///etc/passwd"}', b'{"url": "http://[::1"}', b'{"urls": [%s"x"]}' % (b'"x",' * 99),
    b'{"url": "http://169.254.169.254/"}', b'{"url": "\\ud800"}', b"1e999", b"\xef\xbb\xbf{}", b'{"url":{}}',
)  # fmt: skip


def _wrong_type(rng: random.Random, port: int, folder: Path) -> Said:
    kind = rng.choice(_TYPES)
    body = rng.choice((encoded(face(), "JPEG"), b"{}", b"[", b"\xff" * 9, b'{"url": 5}', b"null", _form()))
    path = rng.choice(_PATHS)
    status = _asked(port, "POST", path, body, kind)[0]
    return Said(f"{path} {kind[:40]!r} {body[:20]!r}", (status,))


def _strange_query(rng: random.Random, port: int, folder: Path) -> Said:
    query = "&".join(f"{rng.choice(_PARAMETERS)}={rng.choice(_VALUES)}" for _ in range(rng.randrange(4)))
    path = rng.choice((*_PATHS, *_PAGES))
    method = rng.choice(("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"))
    status = _asked(port, method, f"{path}?{query}", encoded(face(), "JPEG"), "image/jpeg")[0]
    return Said(f"{method} {path}?{query[:80]}", (status,))


def _json_body(rng: random.Random, port: int, folder: Path) -> Said:
    body = rng.choice(_URLS)
    status = _asked(port, "POST", rng.choice(_PATHS), body, "application/json")[0]
    return Said(repr(body[:60]), (status,))


def _damaged_picture(rng: random.Random, port: int, folder: Path) -> Said:
    how = make_picture(rng, folder / "picture")
    (path,) = folder.glob("picture.*")
    content = path.read_bytes()
    path.unlink()
    return Said(how, (_asked(port, "POST", rng.choice(_PATHS), _form(content), _FORM)[0],))


def _bomb(rng: random.Random, port: int, folder: Path) -> Said:
    content, how = bomb(rng)
    return Said(how, (_asked(port, "POST", rng.choice(_PATHS), content, "image/png")[0],))


def _many(rng: random.Random, port: int, folder: Path) -> Said:
    """All at once, of good pictures, damaged ones and bombs."""
    count = rng.choice((20, 40))
    bodies = [
        rng.choice((encoded(face(), "JPEG"), bomb(rng)[0], mutated(rng, encoded(face(), "PNG"))[0]))
        for _ in range(count)
    ]
    statuses: list[int] = []

    def ask(body: bytes) -> None:
        statuses.append(_asked(port, "POST", "/api/v1/analyze", body, "image/jpeg")[0])

    threads = [threading.Thread(target=ask, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Said(f"{count} at once", tuple(statuses))


@cache
def _heavy() -> tuple[tuple[bytes, str], ...]:
    """Whole pictures that are decoded by themselves, or refused, and their types."""
    large = Image.new("RGB", (6000, 4500), "#705040")
    kinds = [("PNG", "image/png"), ("WEBP", "image/webp")]
    if features.check("avif"):
        kinds.append(("AVIF", "image/avif"))
    wide = encoded(Image.new("RGB", (11_000, 9_000)), "JPEG", progressive=True), "image/jpeg"
    return (*((encoded(large, name), kind) for name, kind in kinds), wide)


def _whose(rng: random.Random, port: int, folder: Path) -> Said:
    """Pictures of sizes of their own beside heavy ones: everybody is told of the own picture."""
    wrong: list[str] = []
    statuses: list[int] = []

    def ask(body: bytes, kind: str, size: tuple[int, int] | None) -> None:
        status, answer = _asked(port, "POST", "/api/v1/analyze", body, kind)
        statuses.append(status)
        row = json.loads(answer) if status == 200 else {}
        if size and status not in (200, 503):
            wrong.append(f"a good picture gets {status}: {answer[:200]!r}")
        elif size and row and (row["width"], row["height"]) != size:
            wrong.append(f"a picture of {size} is told of one of {row['width']}x{row['height']}")

    sizes = [(80 + rng.randrange(100), 80 + number) for number in range(rng.choice((6, 15)))]
    asked = [(encoded(face().resize(size), "JPEG"), "image/jpeg", size) for size in sizes]
    asked += [(*rng.choice(_heavy()), None) for _ in range(rng.choice((2, 5)))]
    rng.shuffle(asked)
    threads = [threading.Thread(target=ask, args=one) for one in asked]
    for thread in threads:
        thread.start()
        time.sleep(rng.choice((0.0, 0.02)))
    for thread in threads:
        thread.join()
    return Said(f"{len(sizes)} small pictures beside heavy ones", tuple(statuses), tuple(wrong))


def _sent(port: int, content: bytes, wait_s: float = 0.0) -> tuple[int, ...]:
    """Sends bytes as they are and hangs up; the status, where one came."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=15) as connection,
    ):
        connection.sendall(content)
        if wait_s:
            connection.settimeout(wait_s)
            if found := re.match(rb"HTTP/1\.[01] (\d+)", connection.recv(4096)):
                return (int(found[1]),)
    return (0,)


def _head(length: int, path: str = "/api/v1/analyze") -> bytes:
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: {_FORM}",
        f"Content-Length: {length}",
    )
    return "\r\n".join((*lines, "", "")).encode()


def _aborted(rng: random.Random, port: int, folder: Path) -> Said:
    body = _form(encoded(face(), "JPEG"))
    place = rng.randrange(len(body))
    for _ in range(rng.choice((1, 50))):
        _sent(port, _head(len(body)) + body[:place])
    return Said(f"hung up after {place} bytes", ())


def _wrong_length(rng: random.Random, port: int, folder: Path) -> Said:
    body = _form(encoded(face(), "JPEG"))
    length = rng.choice((0, 1, len(body) - 5, -1, 10**12, 2**64, len(body)))
    return Said(f"Content-Length {length} of {len(body)}", _sent(port, _head(length) + body, 3.0))


def _junk(rng: random.Random, port: int, folder: Path) -> Said:
    content, how = rng.choice(
        (
            (rng.randbytes(3000), "chance"),
            (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 200_000, "a long head"),
            (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n", "many heads"),
            (b"GET / HTTP/9.9\r\n\r\n", "HTTP 9.9"),
            (
                _head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"ZZ\r\n",
                "chunks",
            ),
            (b"\x16\x03\x01\x02\x00\x01", "TLS"),
            (b"GET /api/v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n", "a foreign host"),
        )
    )
    return Said(how, _sent(port, content, 3.0))


def _slow(rng: random.Random, port: int, folder: Path) -> Said:
    """A byte now and then, from many, while the polite one comes; they end with the block."""
    body = _form(encoded(face(), "JPEG"))
    count = rng.choice((5, 100))
    with contextlib.ExitStack() as stack:
        senders = []
        for _ in range(count):
            with contextlib.suppress(OSError):
                senders.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)))
        for step in range(4):
            for sender in senders:
                with contextlib.suppress(OSError):
                    sender.sendall((_head(len(body)) + body)[60 * step : 60 * step + 60])
            time.sleep(0.1)
        status = _asked(port, "POST", "/api/v1/analyze", encoded(face(), "JPEG"), "image/jpeg")[0]
    return Said(f"{count} slow senders", (status,))


def _live(rng: random.Random, port: int, folder: Path) -> Said:
    """Live mode opened, then junk in place of frames."""
    head = (
        b"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://127.0.0.1:%d\r\n\r\n"
    ) % (port, port)
    junk = rng.choice(
        (rng.randbytes(500), b"\x82\xfe\xff\xff" + rng.randbytes(70_000), b"\x81\x80abcd", b"\xff" * 99)
    )
    statuses = _sent(port, head + junk, 3.0)
    return Said(
        f"live mode, {len(junk)} bytes of junk", tuple(status for status in statuses if status != 101)
    )


_ATTACKS: tuple[Callable[[random.Random, int, Path], Said], ...] = (
    _broken_form, _broken_form, _wrong_type, _strange_query, _json_body, _damaged_picture, _damaged_picture,
    _bomb, _bomb, _many, _whose, _aborted, _wrong_length, _junk, _slow, _live,
)  # fmt: skip
