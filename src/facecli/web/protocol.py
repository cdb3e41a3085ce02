"""HTTP connections that may not stay silent, and no more of them than there is room for."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


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
