"""Listens and serves until it is told to stop."""

import contextlib
import logging
import os
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from fastapi import FastAPI

from facecli.core.errors import InputError
from facecli.web.guard import StrictWebSocket, bounded_protocol

log: logging.Logger = logging.getLogger(__name__)
_BACKLOG = 512
_DRAIN_S = 20
_KEEP_ALIVE_S = 10
_STAMP_BYTES = 8
_SIGNALLED = 128
"""Plus the number of the signal: how shells tell of it."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises InputError when the address or the port cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # asyncio looks at the protocol by number before it switches Nagle's waiting off: 40 ms an answer.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"cannot listen on {host} port {port}: {reason}; choose another --host or --port"
        ) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """The address that a browser on this machine opens."""
    host, port = listener.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}/"


def serve(app: FastAPI, listener: socket.socket, on_start: Callable[[], None]) -> None:
    """Serves until SIGINT or SIGTERM, then finishes what was begun; a second one ends the process at once.

    Args:
        app: see `web.app.build_app`.
        listener: see `listen`; it is closed at the end.
        on_start: called once requests are answered.
    """
    limits = app.state.settings.limits
    config = uvicorn.Config(
        app,
        http=bounded_protocol(limits.head_s, limits.connections),
        ws=StrictWebSocket,
        ws_max_size=app.state.live_limits.frame_bytes + _STAMP_BYTES,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_DRAIN_S,
        proxy_headers=False,
    )
    with listener, _stopping_quietly():
        _Server(config, on_start).run(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """As uvicorn calls it for a signal, the first time and again."""
        if self.should_exit:
            # Threads cannot be ended, and what hangs in one would hold every other way out.
            log.warning("told to end a second time: requests are cut")
            os._exit(_SIGNALLED + sig)
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._on_start()


@contextlib.contextmanager
def _stopping_quietly() -> Iterator[None]:
    """To be stopped is how a server ends: uvicorn raises the signal again, and it is no error."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def open_browser(address: str) -> None:
    """Opens the page without waiting for the browser."""
    threading.Thread(target=webbrowser.open, args=(address,), name="browser", daemon=True).start()
