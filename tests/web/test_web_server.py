"""`facecli serve` over real sockets: silence, drips, floods, tricks, and how it ends."""

import contextlib
import http.client
import logging
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
import uvicorn
from web_pictures import encoded

from facecli.cli.app import main
from facecli.core.errors import InputError
from facecli.web.app import address_of, build_app, listen
from facecli.web.guard import bounded_protocol
from facecli.web.settings import Limits, Settings

BOUNDARY = "b0undary"
ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def serving(**limits):
    """A server with small limits on a free port: its port."""
    app = build_app(Settings(workers=2, limits=replace(Limits(), **limits)))
    settings = app.state.settings.limits
    config = uvicorn.Config(
        app, http=bounded_protocol(settings.head_s, settings.connections), log_level="error", log_config=None
    )
    server = uvicorn.Server(config)
    listener = listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def port():
    with serving(head_s=0.5, body_s=1.0, connections=400) as port:
        yield port


def form(picture):
    """A POST of one picture: its bytes."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'.encode()
    return head + picture + f"\r\n--{BOUNDARY}--\r\n".encode()


def works(port, photo):
    """Is the next good request answered?"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    connection.request("POST", "/api/v1/analyze", form(photo), kind)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status == 200 and b'"age_years"' in text


def opened(port, sent=b""):
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    plain.sendall(sent)
    return plain


def ended(plain):
    """What the server said until it closed."""
    said = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while part := plain.recv(65536):
            said += part
    plain.close()
    return said


def request(path="/api/v1/analyze", method="POST", headers=(), host="127.0.0.1"):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def test_two_hundred_idle_connections_keep_nobody_out(port, photo):
    idle = [opened(port, b"GET / HT" if number % 2 else b"") for number in range(200)]
    assert works(port, photo)
    for plain in idle:
        assert ended(plain) == b""
    assert works(port, photo)


def test_a_head_that_drips_is_cut_off(port, photo):
    plain = opened(port, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    start_s = time.monotonic()
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while time.monotonic() - start_s < 20:
            plain.sendall(b"X-A: b\r\n")
            time.sleep(0.05)
    assert time.monotonic() - start_s < 10
    assert works(port, photo)


def test_a_second_head_that_does_not_come_ends_the_connection(port):
    plain = opened(port, request("/healthz", "GET"))
    said = ended(plain)
    assert said.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("length", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_a_body_that_does_not_come_is_given_up(port, photo, length):
    plain = opened(port, request(headers=[length, "Content-Type: image/png"]))
    said = ended(plain)
    assert b" 408 " in said.splitlines()[0] and b"problem+json" in said
    assert works(port, photo)


def test_a_chunked_body_that_never_ends_is_given_up(port, photo):
    plain = opened(port, request(headers=["Transfer-Encoding: chunked", "Content-Type: image/png"]))
    chunk = b"%x\r\n" % 65536 + bytes(65536) + b"\r\n"
    with contextlib.suppress(ConnectionResetError, BrokenPipeError, TimeoutError):
        plain.settimeout(5)
        for _ in range(2000):
            plain.sendall(chunk)
    said = ended(plain)
    assert not said or said.splitlines()[0].split()[1] in (b"408", b"413")
    assert works(port, photo)


def test_a_body_that_is_announced_too_large_is_refused_at_once(port):
    plain = opened(port, request(headers=["Content-Length: 999999999999", "Content-Type: image/png"]))
    assert b" 413 " in ended(plain).splitlines()[0]


TRICKS = {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
    "another host": request("/", "GET", host="evil.example"),
    "an absolute target": b"GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "two lengths": request(headers=["Content-Length: 1", "Content-Length: 2"]) + b"aa",
    "length and chunks": request(headers=["Content-Length: 4", "Transfer-Encoding: chunked"]) + b"0\r\n\r\n",
    "a negative length": request(headers=["Content-Length: -1"]),
    "a bare line feed": b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "garbage": bytes(range(256)) * 4,
    "a long line": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nA: b\r\n c\r\n\r\n",
    "a null in the path": request("/\0", "GET"),
    "dots": request("/static/../../../../etc/passwd", "GET"),
    "encoded dots": request("/static/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "GET"),
    "a method of one's own": request("/", "HACK"),
    "CONNECT": request("evil.example:443", "CONNECT"),
}


@pytest.mark.parametrize("name", TRICKS)
def test_tricks_are_answered_with_an_error_or_nothing_and_the_next_is_served(port, photo, name):
    said = ended(opened(port, TRICKS[name]))
    status = int(said.split()[1]) if said else 400
    assert 200 <= status < 500 and b"root:" not in said and b"Traceback" not in said
    if "host" in name:
        assert status in (400, 421)
    assert works(port, photo)


def test_answers_to_pipelined_requests_come_in_order(port):
    plain = opened(port, request("/healthz", "GET") + request("/nowhere", "GET") + request("/healthz", "GET"))
    said = ended(plain)
    assert [int(part.split()[0]) for part in said.split(b"HTTP/1.1 ")[1:]] == [200, 404, 200]


def test_clients_that_leave_in_the_middle_hold_nothing(port, photo):
    body = form(photo)
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    head = request(headers=[f"Content-Length: {len(body)}", kind])
    for sent in (head, head + body[:1000], head + body):
        for _ in range(10):
            opened(port, sent).close()
    assert works(port, photo)


def test_a_client_that_leaves_is_no_fault_of_the_server(port, photo, caplog):
    caplog.set_level("INFO", "facecli")
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    for headers, begun in (
        ([f"Content-Length: {10**6}", kind], form(photo)[:2000]),
        (["Transfer-Encoding: chunked", "Content-Type: image/png"], b"10\r\n"),
    ):
        before = counted(port, "499")
        opened(port, request(headers=headers) + begun).close()
        end_s = time.monotonic() + 20
        while counted(port, "499") == before and time.monotonic() < end_s:
            time.sleep(0.05)
        assert counted(port, "499") == before + 1
    assert counted(port, "500") == 0
    assert not [record for record in caplog.records if record.levelno > logging.INFO or record.exc_info]
    assert works(port, photo)


def counted(port, status):
    """Requests for analysis that ended with a status."""
    told = ended(opened(port, request("/metrics", "GET", ["Connection: close"]))).decode()
    line = rf'^facecli_requests_total{{method="POST",route="/api/v1/analyze",status="{status}"}} (\S+)'
    found = re.search(line, told, re.MULTILINE)
    return float(found.group(1)) if found else 0


def test_beyond_the_connections_that_there_are_the_next_is_closed():
    with serving(connections=5, head_s=20.0) as port:
        kept = [opened(port) for _ in range(5)]
        time.sleep(0.2)
        assert ended(opened(port)) == b""
        for plain in kept:
            plain.close()
        time.sleep(0.2)
        assert b" 200 " in ended(opened(port, request("/healthz", "GET", ["Connection: close"])))


def test_what_is_held_in_memory_is_bounded(photo):
    with serving(held_bytes=3 << 20, body_s=5.0) as port:
        head = request(headers=["Content-Length: 2000000", "Content-Type: image/png"])
        first = opened(port, head + bytes(1_900_000))
        time.sleep(0.5)
        second = opened(port, head + bytes(1_900_000))
        assert b" 503 " in ended(second).splitlines()[0]
        first.close()
        time.sleep(0.2)
        assert works(port, photo)


def test_a_client_that_reads_nothing_holds_nobody_up(photo):
    large = encoded(np.random.default_rng(1).integers(0, 255, (1200, 1200, 3), np.uint8), "PNG")
    with serving(send_s=0.5) as port:
        deaf = []
        for _ in range(6):
            plain = socket.socket()
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.connect(("127.0.0.1", port))
            head = [f"Content-Length: {len(large)}", "Content-Type: image/png"]
            plain.sendall(request("/api/v1/annotate?format=png&detector=none", headers=head) + large)
            deaf.append(plain)
        assert works(port, photo)
        for plain in deaf:
            assert len(ended(plain)) < len(large)


# --- the command ----------------------------------------------------------------------------------


@contextlib.contextmanager
def command(*options, **environment):
    """`facecli serve` on a free port: the process and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "facecli", "serve", "--port", "0", *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        line = process.stderr.readline()
        if line.startswith("Warning: everybody"):
            line = process.stderr.readline()
        assert line.startswith("serving on http://127.0.0.1:"), line + process.stderr.read()
        yield process, int(line.split(":")[2].split("/")[0])
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_and_ends_well(photo, number):
    with command("--workers", "1") as (process, port):
        assert works(port, photo)
        process.send_signal(number)
        assert process.wait(30) == 0
        said = process.stderr.read()
    assert "Traceback" not in said
    assert "method=POST path=/api/v1/analyze status=200" in said


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are found in /proc")
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once_though_a_request_hangs(photo, second):
    with command("--workers", "1") as (process, port):
        assert works(port, photo)
        # Decoders that are stopped neither answer nor end.
        tasks = Path(f"/proc/{process.pid}/task")
        children = {int(word) for task in tasks.iterdir() for word in (task / "children").read_text().split()}
        for child in children:
            os.kill(child, signal.SIGSTOP)
        body = form(photo)
        kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
        hanging = opened(port, request(headers=[f"Content-Length: {len(body)}", kind]) + body)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(second)
        assert process.wait(3) == 128 + second
        hanging.close()
    for child in children:
        # Nobody would ever wake them.
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def test_without_a_token_the_host_is_looked_at(photo):
    with command("--host", "0.0.0.0", "--insecure", "--allow-host", "faces.lan") as (_, port):
        answers = {}
        for host in ("faces.lan", "10.1.2.3", socket.gethostname(), "evil.example"):
            said = ended(opened(port, request("/healthz", "GET", ["Connection: close"], host=host)))
            answers[host] = said.split()[1]
        assert list(answers.values()) == [b"200", b"200", b"200", b"421"]


def test_the_token_of_the_environment_is_asked_for(photo):
    with command("--no-access-log", FACECLI_TOKEN="a-token-of-ours") as (_, port):
        assert b" 401 " in ended(opened(port, request("/", "GET", ["Connection: close"])))
        let_in = ["Connection: close", "Authorization: Bearer a-token-of-ours"]
        assert b" 200 " in ended(opened(port, request("/", "GET", let_in))).splitlines()[0]


def curl_lines():
    """The examples of the documents."""
    texts = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/serve.md"))
    return sorted({line for text in texts for line in re.findall(r"^curl .*$", text, re.MULTILINE)})


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_the_examples_of_the_documents_work(photo, tmp_path):
    assert len(curl_lines()) >= 3
    for name in ("photo.jpg", "a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(photo)
    with command("--no-access-log") as (_, port):
        for line in curl_lines():
            asked = [part.replace("127.0.0.1:5000", f"127.0.0.1:{port}") for part in shlex.split(line)]
            done = subprocess.run([*asked, "-sS", "--fail"], cwd=tmp_path, capture_output=True, timeout=60)
            assert done.returncode == 0, line
            answer = done.stdout or (tmp_path / "drawn.png").read_bytes()
            assert answer.startswith((b"{", b"\x89PNG"))


REFUSED = [
    (["--host", "0.0.0.0"], "FACECLI_TOKEN"),
    (["--host", "::"], "FACECLI_TOKEN"),
    (["--token", "short"], "can be guessed"),
    (["--token", "with a space"], "visible ASCII"),
    (["--token", "tökentöken"], "visible ASCII"),
    (["--model-path", "nowhere"], "no model 'nowhere'"),
    (["--port", "70000"], "--port"),
    (["--workers", "0"], "--workers"),
    (["--host", "no.such.host.invalid", "--insecure"], "cannot listen"),
    (["--detector", "yunet"], "weights get yunet"),
]


@pytest.mark.parametrize("options, word", REFUSED)
def test_what_cannot_be_served_is_said_before_it_starts(options, word, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    monkeypatch.delenv("FACECLI_TOKEN", raising=False)
    assert main(["serve", *options]) == 2
    said = capsys.readouterr().err
    assert word in said and "Traceback" not in said


def test_a_port_that_is_taken_is_said():
    with listen("127.0.0.1", 0) as listener:
        with pytest.raises(InputError, match="choose another --host or --port"):
            listen("127.0.0.1", listener.getsockname()[1])


@pytest.mark.parametrize(
    "host, shown", [("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://127.0.0.1:")]
)
def test_the_address_is_one_that_a_browser_opens(host, shown):
    with listen(host, 0) as listener:
        assert address_of(listener) == f"{shown}{listener.getsockname()[1]}/"


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "facecli.web.app", None)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.delitem(sys.modules, "facecli.web.app")
    assert main(["serve"]) == 1
    assert "[web]'" in capsys.readouterr().err
