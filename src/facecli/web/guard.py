"""Who is let in, before a byte of a body is read, and how long, large and many bodies may be."""

import asyncio
import hmac
import ipaddress
import logging
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from facecli.web.pages import render_token_page
from facecli.web.schemas import Problem, busy
from facecli.web.settings import Limits

log: logging.Logger = logging.getLogger(__name__)
_INVALID_TEXT = 1007
"""Code of closing for what is no UTF-8 (RFC 6455, section 7.4.1)."""
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

    def __init__(
        self, app: ASGIApp, token: str | None, hosts: tuple[str, ...], any_address: bool = False
    ) -> None:
        """`hosts` are the names that are served, () serves any; with `any_address` every IP address, too."""
        self._app, self._token, self._hosts, self._any_address = app, token, hosts, any_address

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
        if not self._serves(host_name(headers)):
            detail = "This host is not served here; 'facecli serve --allow-host NAME' adds a name."
            return Problem(421, "Misdirected request", detail).response()
        if scope.get("method") not in _SAFE and not same_origin(headers):
            return Problem(403, "Foreign origin", "Pages of other origins may not send requests.").response()
        if self._token is None or scope["path"] in _FREE:
            return None
        return self._log_in(scope, headers) if self._asks_by_query(scope) else self._check(scope, headers)

    def _serves(self, host: str | None) -> bool:
        if not self._hosts or host in self._hosts:
            return True
        # No foreign page can make a browser take an address for its own name (DNS rebinding).
        return self._any_address and host is not None and _is_address(host)

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


def _is_address(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _refusal(headers: Headers) -> Response:
    """A form for people, a problem for programs."""
    ask = {"WWW-Authenticate": 'Bearer realm="facecli"'}
    if "text/html" in headers.get("accept", ""):
        return HTMLResponse(render_token_page(), 401, ask)
    detail = "Send the token of 'facecli serve --token' as 'Authorization: Bearer TOKEN'."
    return Problem(401, "Token needed", detail, ask).response()


def _denying(send: Send) -> Send:
    """Turns an HTTP answer into the refusal of a WebSocket (ASGI extension `websocket.http.response`)."""

    async def deny(message: Message) -> None:
        await send({**message, "type": message["type"].replace("http.", "websocket.http.", 1)})

    return deny


class BodyLimit:
    """Counts what comes in; a body beyond a limit ends with a problem wherever it is being read."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits = app, limits
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(self, receive)
        try:
            announced = Headers(scope=scope).get("content-length", "0")
            if announced.isdecimal() and int(announced) > self._limits.body_bytes:
                raise self._too_large()
            await self._app(scope, body.receive, self._timed(send))
        except Problem as problem:
            await problem.response()(scope, receive, send)
        finally:
            self._held -= body.bytes

    def take(self, body: "_Body", count: int) -> None:
        """Some more bytes came. Raises Problem."""
        body.bytes += count
        self._held += count
        if body.bytes > self._limits.body_bytes:
            raise self._too_large()
        if self._held > self._limits.held_bytes:
            raise busy()

    def left_s(self, body: "_Body") -> float:
        """Seconds until the body must be whole."""
        return max(0.0, body.start_s + self._limits.body_s - time.monotonic())

    def late(self) -> Problem:
        """It was not."""
        detail = f"The body was not whole after {self._limits.body_s:g} seconds."
        return Problem(408, "Body too slow", detail, {"Connection": "close"})

    def _too_large(self) -> Problem:
        detail = f"A request has at most {self._limits.body_bytes >> 20} MiB."
        return Problem(413, "Too large", detail, {"Connection": "close"})

    def _timed(self, send: Send) -> Send:
        async def timed(message: Message) -> None:
            # A client that reads nothing keeps only its own connection, and that not for ever.
            await asyncio.wait_for(send(message), self._limits.send_s)

        return timed


class _Body:
    """One request's body on its way in."""

    def __init__(self, limit: BodyLimit, receive: Receive) -> None:
        self._limit, self._receive = limit, receive
        self.bytes: int = 0
        self.start_s: float = time.monotonic()
        self._whole = False

    async def receive(self) -> Message:
        """As ASGI's `receive`. Raises Problem."""
        if self._whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._limit.left_s(self))
        except asyncio.TimeoutError:
            raise self._limit.late() from None
        self._limit.take(self, len(message.get("body", b"")))
        self._whole = not message.get("more_body", False)
        return message


def bounded_protocol(head_s: float, connections: int) -> type[H11Protocol]:
    """A protocol for uvicorn.

    Args:
        head_s: seconds from the opening of a connection to the end of its first head; uvicorn itself
            waits for ever, so that a few hundred silent sockets would use up its file descriptors.
        connections: at once; the next one is closed as soon as it is opened.
    """

    class BoundedProtocol(H11Protocol):
        """Closes what says nothing."""

        # asyncio's stub names a more general transport than a server of TCP ever gives.
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._head_timer = self.loop.call_later(head_s, self._give_up)
            if len(self.connections) > connections:
                transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_timer.cancel()
            super().connection_lost(exc)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            # The next head has as long as the first had; a client that drips it keeps nothing open.
            self._head_timer.cancel()
            self._head_timer = self.loop.call_later(head_s, self._give_up)

        def handle_websocket_upgrade(self, event: Any) -> None:
            self._head_timer.cancel()
            super().handle_websocket_upgrade(event)

        def _give_up(self) -> None:
            busy = self.cycle is not None and not self.cycle.response_complete
            if not busy and not self.transport.is_closing():
                self.transport.close()

    return BoundedProtocol


class StrictWebSocket(WebSocketsSansIOProtocol):
    """Closes what sends text that is none; uvicorn itself writes a traceback of it, as if it were a fault."""

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_text(self.frames):
            self.frames: list[bytes] = []
            log.info("live: a text message was no UTF-8")
            self.conn.send_close(_INVALID_TEXT)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()


def _is_text(frames: Sequence[bytes]) -> bool:
    try:
        b"".join(frames).decode()
    except UnicodeDecodeError:
        return False
    return True
