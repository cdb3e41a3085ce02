"""Bodies end, by bytes and by time; connections may not stay silent; both are bounded in number."""

import asyncio
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from facecli.web.problems import Problem, busy
from facecli.web.settings import Limits


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
        self.bytes, self.start_s, self._whole = 0, time.monotonic(), False

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

        def handle_websocket_upgrade(self, event) -> None:
            self._head_timer.cancel()
            super().handle_websocket_upgrade(event)

        def _give_up(self) -> None:
            busy = self.cycle is not None and not self.cycle.response_complete
            if not busy and not self.transport.is_closing():
                self.transport.close()

    return BoundedProtocol
