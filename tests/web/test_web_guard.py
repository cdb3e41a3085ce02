"""Who is let in, and the headers that every answer has."""

import socket

import pytest

pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
from starlette.testclient import TestClient, WebSocketDenialResponse

from facecli.cli.serve import _settings
from facecli.web.app import build_app
from facecli.web.guard import COOKIE
from facecli.web.observe import HEADERS
from facecli.web.settings import LOOPBACK, Settings

TOKEN = "a-token-of-ours"
LIVE = "/api/v1/live"


@pytest.fixture(scope="module")
def app():
    """Loopback names only, with a token."""
    return build_app(Settings(workers=1, token=TOKEN, hosts=LOOPBACK))


@pytest.fixture
def client(app):
    return TestClient(app, base_url="http://127.0.0.1:5000", follow_redirects=False)


@pytest.fixture(scope="module")
def open_app():
    """Loopback names only, without a token."""
    return build_app(Settings(workers=1, hosts=LOOPBACK))


PATHS = ("/", "/live", "/api", "/static/none.js", "/api/v1/models", "/metrics", "/openapi.json", "/nowhere")


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_nothing_is_told(client, path):
    answer = client.get(path)
    assert answer.status_code == 401 and answer.json()["title"] == "Token needed"
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_health_needs_no_token(client):
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("value", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer  {TOKEN} "])
def test_the_token_in_a_header_lets_in(client, value):
    assert client.get("/api/v1/models", headers={"authorization": value}).status_code == 200


WRONG = (
    "",
    "Bearer",
    "Bearer ",
    "Bearer x",
    f"Basic {TOKEN}",
    f"Bearer {TOKEN}x",
    f"Bearer {TOKEN[:-1]}",
    TOKEN,
)


@pytest.mark.parametrize("value", WRONG)
def test_another_header_does_not(client, value):
    assert client.get("/api/v1/models", headers={"authorization": value}).status_code == 401


def test_bytes_that_are_no_ascii_are_a_wrong_token(client):
    assert client.get("/api/v1/models", headers={b"authorization": b"Bearer \xff\xfe"}).status_code == 401


def test_the_token_in_the_address_becomes_a_cookie(client):
    answer = client.get(f"/?token={TOKEN}")
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower() and cookie.startswith(COOKIE)
    assert client.get("/api/v1/models").status_code == 200


def test_odd_letters_of_a_token_survive_the_cookie():
    token = "a&b=c;d%e+f,g\"h'"
    app = build_app(Settings(workers=1, token=token, hosts=()))
    client = TestClient(app, follow_redirects=False)
    assert client.get("/", params={"token": token}).status_code == 303
    assert client.get("/api/v1/models").status_code == 200


@pytest.mark.parametrize(
    "query", ["token=", "token=x", "token=%ff", f"x=1&token={TOKEN}x", f"tokens={TOKEN}"]
)
def test_a_wrong_token_in_the_address_is_refused(client, query):
    answer = client.get(f"/?{query}")
    assert answer.status_code == 401 and "set-cookie" not in answer.headers


def test_a_token_in_another_address_is_no_token(client):
    assert client.get(f"/api/v1/models?token={TOKEN}").status_code == 401


def test_people_get_a_form(client):
    answer = client.get("/", headers={"accept": "text/html,*/*"})
    assert answer.status_code == 401 and answer.headers["content-type"].startswith("text/html")
    assert answer.text.lower().startswith("<!doctype html>")


def test_live_mode_asks_for_the_token_too(client):
    here = {"host": "127.0.0.1"}
    with pytest.raises(WebSocketDenialResponse) as refusal, client.websocket_connect(LIVE, headers=here):
        pass
    assert refusal.value.status_code == 401
    with client.websocket_connect(LIVE, headers=here | {"authorization": f"Bearer {TOKEN}"}) as socket:
        assert socket.receive_json()["type"] == "hello"


# --- hosts ----------------------------------------------------------------------------------------

HOSTS = [
    ("127.0.0.1", True), ("127.0.0.1:5000", True), ("localhost:1", True), ("LOCALHOST", True),
    ("[::1]:5000", True), ("evil.example", False), ("127.0.0.1.evil.example", False), ("", False),
    ("evil.example:127.0.0.1", False),
    ("127.0.0.1@evil.example", False), ("[", False), ("localhost.", False), ("0.0.0.0", False),
]  # fmt: skip


@pytest.mark.parametrize("host, served", HOSTS)
def test_only_known_hosts_are_served(open_app, host, served):
    """A foreign page can give 127.0.0.1 a name of its own (DNS rebinding), and then reads the answers."""
    answer = TestClient(open_app).get("/healthz", headers={"host": host})
    assert answer.status_code == (200 if served else 421)


def test_live_mode_knows_hosts_too(open_app):
    with pytest.raises(WebSocketDenialResponse) as refusal:
        with TestClient(open_app).websocket_connect(LIVE, headers={"host": "evil.example"}):
            pass
    assert refusal.value.status_code == 421


OPEN_HOSTS = [
    ("127.0.0.1", True), ("192.168.1.10:5000", True), ("[fd00::1]:5000", True), ("faces.lan", True),
    ("evil.example", False), ("0.0.0.0", False), ("[::]", False), ("127.0.0.1.evil.example", False),
    ("", False),
    ("1.2.3", False), ("0x7f000001", False),
]  # fmt: skip


@pytest.mark.parametrize("host, served", OPEN_HOSTS)
def test_addresses_are_no_names_of_others(host, served):
    """Only a name can be made to mean another machine."""
    app = build_app(Settings(workers=1, hosts=(*LOOPBACK, "faces.lan"), any_address=True))
    answer = TestClient(app).get("/healthz", headers={"host": host})
    assert answer.status_code == (200 if served else 421)


def test_a_server_without_a_token_serves_names_of_this_machine_only():
    options = {
        "host": "0.0.0.0", "allow_host": ("Faces.Example",), "model_path": None, "model_type": "facenet",
        "detector": "auto", "workers": 1, "queue": None,
    }  # fmt: skip
    made = _settings(options, None)
    assert {*LOOPBACK, "faces.example", socket.gethostname().lower()} <= set(made.hosts) and made.any_address
    assert "evil.example" not in made.hosts
    with_token = _settings(options | {"allow_host": ()}, TOKEN)
    assert with_token.hosts == () and not with_token.any_address
    local = _settings(options | {"host": "127.0.0.1", "allow_host": ()}, None)
    assert set(local.hosts) == set(LOOPBACK) and not local.any_address


# --- origins --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin, status",
    [(None, 422), ("http://127.0.0.1:5000", 422), ("https://evil.example", 403), ("null", 403), ("", 403)],
)
def test_pages_of_others_may_not_send(open_app, origin, status):
    headers = {} if origin is None else {"origin": origin}
    client = TestClient(open_app, base_url="http://127.0.0.1:5000")
    answer = client.post("/api/v1/analyze", json={}, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "access-control-allow-origin" not in answer.headers


# --- headers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/healthz", "/nowhere", "/api/v1/analyze", "/openapi.json"])
@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example"])
def test_every_answer_has_the_headers(open_app, path, host):
    answer = TestClient(open_app).get(path, headers={"host": host})
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "cache-control" in answer.headers and "server" not in answer.headers


def test_the_policy_allows_nothing_foreign_or_inline():
    policy = HEADERS["Content-Security-Policy"]
    assert (
        "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    )
    assert "unsafe" not in policy and "http" not in policy and "*" not in policy
