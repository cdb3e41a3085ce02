"""The WebSocket /api/v1/live: who may open one, how many at once, and how it ends."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.datastructures import Headers, State
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from facecli.vision.anonymize import METHODS
from facecli.web.live_protocol import BROKEN, LATER, LiveLimits, LiveProblem
from facecli.web.live_session import LiveSession, Wish

log = logging.getLogger(__name__)
router = APIRouter()
_FAREWELL_S = 2.0
_PORTS = {"http": 80, "https": 443}


@router.websocket("/api/v1/live")
async def live(socket: WebSocket) -> None:
    """Frames of a camera come in, faces go out, until one side closes."""
    if not same_origin(socket.headers):
        await refuse(socket, LiveProblem(403, "Foreign origin", "Pages of other origins may not look."))
        return
    await socket.accept()
    limits = limits_of(socket.app.state)
    try:
        with _seat(socket.app.state, limits):
            session = LiveSession(socket, socket.app.state.service, read_wish(socket), limits)
            await session.serve()
    except LiveProblem as problem:
        await _farewell(socket, problem)
        log.info("live: closed with %d %s", problem.status, problem.title)
    except WebSocketDisconnect as end:
        log.info("live: ended with %d", end.code)
    except Exception:
        await _farewell(socket, LiveProblem(500, "Internal error", "Something went wrong here.", BROKEN))
        raise


def same_origin(headers: Headers) -> bool:
    """Browsers say which page opens a WebSocket; only ours may. Other clients send no origin."""
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


def limits_of(state: State) -> LiveLimits:
    """The limits that the application was given, else the usual ones."""
    return getattr(state, "live_limits", None) or LiveLimits()


def read_wish(socket: WebSocket) -> Wish:
    """What the address asks for. Raises LiveProblem."""
    query = socket.query_params
    method = query.get("anonymize") or None
    if method is not None and method not in METHODS:
        raise LiveProblem(400, "Unknown method", f"anonymize is one of {', '.join(METHODS)}.")
    return Wish(query.get("model") or "facenet", query.get("detector") or "haar", method)


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


async def refuse(socket: WebSocket, problem: LiveProblem) -> None:
    """Answers the handshake with a problem in place of a WebSocket."""
    body = {key: value for key, value in problem.message().items() if key != "type"}
    answer = JSONResponse(body, problem.status, media_type="application/problem+json")
    await socket.send_denial_response(answer)


async def _farewell(socket: WebSocket, problem: LiveProblem) -> None:
    """Says why, and closes; a client that does not listen is left."""
    with suppress(WebSocketDisconnect, RuntimeError, asyncio.TimeoutError):
        await asyncio.wait_for(socket.send_json(problem.message()), _FAREWELL_S)
        await asyncio.wait_for(socket.close(problem.code, problem.title), _FAREWELL_S)
