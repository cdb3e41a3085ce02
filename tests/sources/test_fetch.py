"""Pictures from a server that behaves well, and from one that does not."""

import contextlib
import socket
import threading
import time

import pytest

from facecli.core.errors import ImageError, InputError
from facecli.sources.web import FetchLimits, check_url, fetch, is_url

SHORT = FetchLimits(whole_s=0.8, connect_s=0.5, max_bytes=1 << 20)


def ask(server, path, limits=SHORT):
    return fetch(f"{server.url}/{path}", allow_private=True, limits=limits)


@pytest.mark.parametrize("path", ["a.png", "moved", "a.png?size=ü%20x#part"])
def test_a_picture_is_fetched(server, png, path):
    assert ask(server, path) == png


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("gone", "answers 404"),
        ("page", "is a web page, not a picture"),
        ("circle", "redirects in a loop"),
        ("far", "redirects more than 5 times"),
        ("file", "not a web address"),
        ("password", "redirects to a forbidden address"),
        ("promised", "more than 1,048,576 bytes"),
        ("endless", "more than 1,048,576 bytes"),
        ("cut", "too early|incomplete|IncompleteRead"),
        ("silent", "does not answer completely within 0.8 s"),
        ("drops", "does not answer completely within 0.8 s"),
        ("header_drops", "does not answer completely within 0.8 s"),
    ],
)
def test_strange_answers_are_errors_and_soon(server, path, reason):
    begin = time.monotonic()
    with pytest.raises(ImageError, match=reason):
        ask(server, path)
    assert time.monotonic() - begin < 5


def test_own_machine_is_not_asked_unless_that_is_allowed(server):
    with pytest.raises(ImageError, match="a private address$") as raised:
        fetch(f"{server.url}/a.png", limits=SHORT)
    assert raised.value.hint == "add --allow-private to allow it"
    assert server.asked == []


def test_every_redirect_is_checked_again(server, monkeypatch):
    """The server counts as public here; where it sends to does not."""
    from facecli.sources import web

    monkeypatch.setattr(web, "is_public_address", lambda address: address == "127.0.0.1")
    with pytest.raises(ImageError, match="169.254.169.254 is a private address"):
        fetch(f"{server.url}/private", limits=SHORT)
    assert server.asked == ["/private"]


def test_the_search_for_the_name_is_part_of_the_time(monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: gate.wait(20))
    with pytest.raises(ImageError, match="does not answer completely within 0.8 s"):
        fetch("http://slow.example/a.jpg", limits=SHORT)
    assert not gate.is_set()
    gate.set()


def test_all_addresses_of_a_host_are_tried(server, png, monkeypatch):
    """The first refuses, the second does not answer, the third is the server; nothing is looked up again."""
    port, asked = int(server.url.rpartition(":")[2]), []
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with contextlib.ExitStack() as waiting:
            for _ in range(3):
                one = waiting.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            found = [(2, 1, 6, "", ("127.0.0.1", 9)), (2, 1, 6, "", full.getsockname())]

            def known(host, *_, **__):
                asked.append(host)
                return [*found, (2, 1, 6, "", ("127.0.0.1", port))]

            monkeypatch.setattr("socket.getaddrinfo", known)
            limits = FetchLimits(whole_s=10.0, connect_s=0.3, max_bytes=1 << 20)
            assert fetch(f"http://three.example:{port}/a.png", allow_private=True, limits=limits) == png
    assert asked == ["three.example"]


def test_nobody_listens():
    with pytest.raises(ImageError, match="cannot read http://127.0.0.1:9/a.jpg"):
        fetch("http://127.0.0.1:9/a.jpg", allow_private=True, limits=SHORT)


def test_server_without_tls_is_no_https_server(server):
    with pytest.raises(ImageError, match="cannot read https"):
        fetch(f"{server.url.replace('http', 'https')}/a.png", allow_private=True, limits=SHORT)


@pytest.mark.parametrize(
    "url", ["http://", "https:///a.jpg", "http://h:99999/", "http://u:p@h/a", "http://[::1/"]
)
def test_wrong_addresses_are_refused(url):
    with pytest.raises(InputError):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:hunter2@h/a", "http://me:hunter2/x@h/a", "http://me:x@hunter2@h/a", "http://:hunter2@/a",
        "http://me:hunter2\uff03@h/a", "http://[me:hunter2@h/a", "http:///a?token=hunter2",
    ],
)  # fmt: skip
def test_a_refusal_does_not_say_the_password(url):
    with pytest.raises(InputError) as caught:
        check_url(url)
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize("path", ["gone", "page", "file", "cut", "promised", "silent", "circle", "wrong"])
def test_an_error_does_not_say_the_token(server, path):
    with pytest.raises(ImageError) as caught:
        ask(server, f"{path}?token=hunter2")
    assert path in str(caught.value) and "hunter2" not in f"{caught.value} {caught.value.__cause__}"


def test_what_is_an_address():
    assert is_url("HTTPS://example.org/a.jpg") and not is_url("file:///a.jpg") and not is_url("http.jpg")
