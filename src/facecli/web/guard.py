"""Who is let in: by host, origin and token, before a byte of a body is read."""

import hmac
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from facecli.web.pages import render_token_page
from facecli.web.problems import Problem

_PORTS = {"http": 80, "https": 443}

COOKIE = "facecli_token"
_FREE = ("/healthz",)
_SAFE = ("GET", "HEAD", "OPTIONS")
_COOKIE_S = 30 * 24 * 3600


def same_origin(headers: Headers) -> bool:
    """Is the page that asks one of ours? Clients that are no browser send no origin, and pass."""
    origins, hosts = headers.getlist("origin"), headers.getlist("host")
    if not origins:
        return True
    try:
        origin = urlsplit(origins[0])
        host = urlsplit(f"//{hosts[0]}") if hosts else origin
        default = _PORTS.get(origin.scheme)
        theirs = origin.hostname, origin.port or default
        ours = host.hostname, host.port or default
    except ValueError:
        return False
    return len(origins) == len(hosts) == 1 and default is not None and theirs == ours


def host_name(headers: Headers) -> str | None:
    """The name in the `Host` header without its port, in small letters; None when it is not one name."""
    hosts = headers.getlist("host")
    try:
        return urlsplit(f"//{hosts[0]}").hostname if len(hosts) == 1 else None
    except ValueError:
        return None


class Guard:
    """Lets requests and WebSockets through, or answers them."""

    def __init__(self, app: ASGIApp, token: str | None, hosts: tuple[str, ...]) -> None:
        """`hosts` are the names that are served; () serves any."""
        self._app, self._token, self._hosts = app, token, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        answer = self._answer(scope)
        if answer is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            # A WebSocket is refused by an answer to its handshake.
            await answer({**scope, "type": "http"}, receive, _denying(send))
        else:
            await answer(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        """Why the request ends here; None when it goes on."""
        headers = Headers(scope=scope)
        if self._hosts and host_name(headers) not in self._hosts:
            detail = "This host is not served here; 'facecli serve --allow-host NAME' adds a name."
            return Problem(421, "Misdirected request", detail).response()
        if scope.get("method") not in _SAFE and not same_origin(headers):
            return Problem(403, "Foreign origin", "Pages of other origins may not ask.").response()
        if self._token is None or scope["path"] in _FREE:
            return None
        return self._log_in(scope, headers) if self._asks_by_query(scope) else self._check(scope, headers)

    def _asks_by_query(self, scope: Scope) -> bool:
        return scope.get("method") == "GET" and b"token=" in scope["query_string"] and scope["path"] == "/"

    def _log_in(self, scope: Scope, headers: Headers) -> Response:
        """`/?token=T` becomes a cookie, so that T leaves the address bar."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not self._is_token(given):
            return _refusal(headers)
        answer = RedirectResponse("/", 303)
        secure = scope.get("scheme") == "https"
        answer.set_cookie(
            COOKIE, urlencode({"t": given}), _COOKIE_S, httponly=True, samesite="strict", secure=secure
        )
        return answer

    def _check(self, scope: Scope, headers: Headers) -> Response | None:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_token(given.strip()):
            return None
        cookie = HTTPConnection({**scope, "type": "http"}).cookies.get(COOKIE, "")
        if self._is_token(parse_qs(cookie).get("t", [""])[0]):
            return None
        return _refusal(headers)

    def _is_token(self, given: str) -> bool:
        """In a time that does not tell how much of it is right."""
        if self._token is None:
            return False
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode("utf-8"))


def _refusal(headers: Headers) -> Response:
    """A form for people, a problem for programs."""
    ask = {"WWW-Authenticate": 'Bearer realm="facecli"'}
    if "text/html" in headers.get("accept", ""):
        return HTMLResponse(render_token_page(), 401, ask)
    detail = "Send the token of 'facecli serve --token' as 'Authorization: Bearer TOKEN'."
    return Problem(401, "Token needed", detail, ask).response()


def _denying(send: Send) -> Send:
    """Turns an HTTP answer into the refusal of a WebSocket (ASGI extension `websocket.http.response`)."""

    async def deny(message) -> None:
        await send({**message, "type": message["type"].replace("http.", "websocket.http.", 1)})

    return deny
