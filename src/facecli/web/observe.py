"""What is written and counted of every request, and the headers that every answer has."""

import asyncio
import logging
import time
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facecli.web.problems import internal

log = logging.getLogger(__name__)
access = logging.getLogger("facecli.access")
_LONGEST_PATH = 200
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Observe:
    """The outermost layer: sees every request and every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        watched = _Watched(send)
        try:
            await self._app(scope, receive, watched.send)
        except asyncio.TimeoutError:
            log.info("a client did not read its answer")
        except Exception:
            log.exception("a request failed")
            if watched.status is None:
                await internal().response()(scope, receive, watched.send)
        finally:
            self._note(scope, watched)

    def _note(self, scope: Scope, watched: "_Watched") -> None:
        seconds = time.perf_counter() - watched.start_s
        route = getattr(scope.get("route"), "path", "other")
        status = watched.status or 499
        scope["app"].state.meters.request(route, _method(scope), status, seconds)
        client = (scope.get("client") or ("-",))[0]
        path = quote(scope["path"], safe="/:@")[:_LONGEST_PATH]
        access.info(
            "client=%s method=%s path=%s status=%d ms=%.1f bytes=%d",
            client, _method(scope), path, status, 1000 * seconds, watched.bytes,
        )  # fmt: skip


def _method(scope: Scope) -> str:
    """One of the known ones: clients may invent others."""
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"


class _Watched:
    """An answer on its way out."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.start_s = time.perf_counter()
        self.status: int | None = None
        self.bytes = 0

    async def send(self, message: Message) -> None:
        """As ASGI's `send`."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if "cache-control" not in headers:
                headers["Cache-Control"] = "no-store"
        self.bytes += len(message.get("body", b""))
        await self._send(message)
