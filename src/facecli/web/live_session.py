"""The WebSocket /api/v1/live: each viewer's newest frame is analysed, one at a time.

A viewer has at most one frame with the workers and one that waits, whatever it sends: in a queue
of first come, first served, viewers thereby have equal shares.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from fastapi import APIRouter
from starlette.datastructures import State
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from facecli.core.errors import FacecliError
from facecli.draw.anonymize import METHODS
from facecli.infer.analyzer import Analyzer
from facecli.web.live_protocol import (
    BROKEN,
    LATER,
    Command,
    LiveLimits,
    LiveProblem,
    parse_command,
    parse_frame,
)
from facecli.web.live_worker import LiveWorker, NewestFrame, TokenBucket
from facecli.web.service import Busy

log = logging.getLogger(__name__)
_AGAIN_S, _TRIES = 0.05, 200
Answer = TypeVar("Answer")
router = APIRouter()
_FAREWELL_S = 2.0


class Engine(Protocol):
    """The part of `Service` that is needed here."""

    @property
    def default_model(self) -> str: ...

    @property
    def default_detector(self) -> str: ...

    def analyzer(self, model: str, detector: str) -> Analyzer: ...

    async def run(self, function: Callable[..., Answer], *args: Any) -> Answer: ...


@dataclass(frozen=True)
class LiveQuery:
    """What a viewer wants: names of a model and a detector, and how heads shall be hidden (None: not)."""

    model: str
    detector: str
    anonymize: str | None = None

    def changed(self, command: Command) -> "LiveQuery":
        """With what a settings message names."""
        return replace(self, model=command.model or self.model, detector=command.detector or self.detector)


class LiveSession:
    """Serves one accepted WebSocket until it closes or does what it may not."""

    def __init__(self, socket: WebSocket, engine: Engine, query: LiveQuery, limits: LiveLimits) -> None:
        self._socket, self._engine, self._limits = socket, engine, limits
        self._query = query
        self._slot = NewestFrame()
        self._news = asyncio.Event()
        self._new_query: LiveQuery | None = None
        self.frames = 0

    async def serve(self) -> None:
        """Receives and answers at once; whichever ends first ends the other.

        Raises:
            LiveProblem: the client is to be told why it ends.
            WebSocketDisconnect: the client has gone, or does not read.
        """
        self._news.set()
        tasks = [asyncio.create_task(self._receive()), asyncio.create_task(self._answer())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            # Not `gather`: cancelled here itself, it would raise the cancellation of the tasks for its own.
            await asyncio.wait(tasks)
        # Both never return; what is not a cancellation is why it ended.
        raise next(error for task in tasks if not task.cancelled() and (error := task.exception()))

    async def _receive(self) -> None:
        bucket = TokenBucket(self._limits.frames_per_s, self._limits.burst)
        while True:
            message = await self._next_message()
            if not bucket.take():
                detail = f"At most {self._limits.frames_per_s:g} messages a second are taken."
                raise LiveProblem(429, "Too many messages", detail)
            if (data := message.get("bytes")) is not None:
                self._slot.put(parse_frame(data, self._limits))
            else:
                self._obey(parse_command(message.get("text") or ""))
            self._news.set()

    async def _next_message(self) -> Message:
        try:
            message = await asyncio.wait_for(self._socket.receive(), self._limits.idle_s)
        except asyncio.TimeoutError:
            detail = f"Nothing came for {self._limits.idle_s:g} seconds."
            raise LiveProblem(408, "Nothing came", detail) from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)
        return message

    def _obey(self, command: Command) -> None:
        if command.kind == "reset":
            self._slot.begin_anew()
        else:
            self._new_query = (self._new_query or self._query).changed(command)

    async def _answer(self) -> None:
        await self._next_news()
        worker = await self._grant(self._new_query or self._query)
        while True:
            answer = await self._run(worker.work)
            if answer is not None:
                self.frames += 1
                await self._say(answer)
            await self._next_news()
            if self._new_query is not None:
                worker = await self._grant(self._new_query)

    async def _next_news(self) -> None:
        await self._news.wait()
        self._news.clear()

    async def _grant(self, query: LiveQuery) -> LiveWorker:
        """Takes the wanted model and detector, and says hello."""
        # Before they are loaded: what is wanted meanwhile is a change of this query.
        self._query, self._new_query = query, None
        try:
            worker = await self._run(self._build, query)
        except FacecliError as error:
            log.info("live: %s", error)
            detail = f"Model '{query.model}' with detector '{query.detector}' cannot be used here."
            raise LiveProblem(404, "Unknown model or detector", detail) from error
        await self._say(
            {
                "type": "hello",
                "model": query.model,
                "detector": query.detector,
                "anonymize": query.anonymize,
                "max_frame_bytes": self._limits.frame_bytes,
            }
        )
        return worker

    def _build(self, query: LiveQuery) -> LiveWorker:
        analyzer = self._engine.analyzer(query.model, query.detector)
        # A face that the model refuses is a face to be covered nevertheless.
        analyzer.show_rejected = query.anonymize is not None
        return LiveWorker(analyzer, self._slot, self._limits, query.anonymize is not None)

    async def _run(self, function: Callable[..., Answer], *args: Any) -> Answer:
        """On the workers; while they are all taken, a frame waits and a newer one replaces it."""
        for _ in range(_TRIES):
            try:
                return await self._engine.run(function, *args)
            except Busy:
                await asyncio.sleep(_AGAIN_S)
        raise LiveProblem(503, "Too busy", "All workers are busy; try again later.", LATER)

    async def _say(self, message: dict[str, Any]) -> None:
        """Raises WebSocketDisconnect when the client does not read it in time."""
        text = json.dumps(message, separators=(",", ":"))
        try:
            await asyncio.wait_for(self._socket.send_text(text), self._limits.send_s)
        except asyncio.TimeoutError as error:
            raise WebSocketDisconnect(1006, "the client does not read") from error


@router.websocket("/api/v1/live")
async def live(socket: WebSocket) -> None:
    """Frames of a camera come in, faces go out, until one side closes."""
    await socket.accept()
    limits = limits_of(socket.app.state)
    try:
        with _viewer_place(socket.app.state, limits):
            service = socket.app.state.service
            session = LiveSession(socket, service, read_live_query(socket, service), limits)
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


def read_live_query(socket: WebSocket, engine: Engine) -> LiveQuery:
    """What the address asks for, else what the engine does by default. Raises LiveProblem."""
    parameters = socket.query_params
    method = parameters.get("anonymize") or None
    if method is not None and method not in METHODS:
        raise LiveProblem(400, "Unknown method", f"anonymize is one of {', '.join(METHODS)}.")
    model, detector = parameters.get("model") or engine.default_model, parameters.get("detector")
    return LiveQuery(model, detector or engine.default_detector, method)


@contextmanager
def _viewer_place(state: State, limits: LiveLimits) -> Iterator[None]:
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
