"""The WebSocket /api/v1/live: how many at once, and how it ends. Who may open one is the guard's to say."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fastapi import APIRouter
from starlette.datastructures import State
from starlette.websockets import WebSocket, WebSocketDisconnect

from facecli.vision.anonymize import METHODS
from facecli.web.live_protocol import BROKEN, LATER, LiveLimits, LiveProblem
from facecli.web.live_session import Engine, LiveSession, LiveWish

log = logging.getLogger(__name__)
router = APIRouter()
_FAREWELL_S = 2.0


@router.websocket("/api/v1/live")
async def live(socket: WebSocket) -> None:
    """Frames of a camera come in, faces go out, until one side closes."""
    await socket.accept()
    limits = limits_of(socket.app.state)
    try:
        with _seat(socket.app.state, limits):
            service = socket.app.state.service
            session = LiveSession(socket, service, read_wish(socket, service), limits)
            await session.serve()
    except LiveProblem as problem:
        await _farewell(socket, problem)
        log.info("live: closed with %d %s", problem.status, problem.title)
    except WebSocketDisconnect as end:
        log.info("live: ended with %d", end.code)
    except Exception:
        await _farewell(socket, LiveProblem(500, "Internal error", "Something went wrong here.", BROKEN))
        raise


def limits_of(state: State) -> LiveLimits:
    """The limits that the application was given, else the usual ones."""
    return getattr(state, "live_limits", None) or LiveLimits()


def read_wish(socket: WebSocket, engine: Engine) -> LiveWish:
    """What the address asks for, else what the engine does by default. Raises LiveProblem."""
    query = socket.query_params
    method = query.get("anonymize") or None
    if method is not None and method not in METHODS:
        raise LiveProblem(400, "Unknown method", f"anonymize is one of {', '.join(METHODS)}.")
    model, detector = query.get("model") or engine.default_model, query.get("detector")
    return LiveWish(model, detector or engine.default_detector, method)


@contextmanager
def _seat(state: State, limits: LiveLimits) -> Iterator[None]:
    """A viewer's place. Raises LiveProblem when all are taken."""
    taken = getattr(state, "live_viewers", 0)
    if taken >= limits.sessions:
        raise LiveProblem(503, "Too many viewers", f"{limits.sessions} watch already; try later.", LATER)
    state.live_viewers = taken + 1
    try:
        yield
    finally:
        state.live_viewers -= 1


async def _farewell(socket: WebSocket, problem: LiveProblem) -> None:
    """Says why, and closes; a client that does not listen is left."""
    with suppress(WebSocketDisconnect, RuntimeError, asyncio.TimeoutError):
        await asyncio.wait_for(socket.send_json(problem.message()), _FAREWELL_S)
        await asyncio.wait_for(socket.close(problem.code, problem.title), _FAREWELL_S)
