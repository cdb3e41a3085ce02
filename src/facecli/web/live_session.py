"""The WebSocket /api/v1/live: each viewer's newest frame is analysed, one at a time.

A viewer has at most one frame with the workers and one that waits, whatever it sends: in a queue
of first come, first served, viewers thereby have equal shares.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeVar

import cv2
from fastapi import APIRouter
from starlette.datastructures import State
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from facecli.core.errors import FacecliError
from facecli.core.faces import Face
from facecli.draw.anonymize import METHODS
from facecli.infer.analyzer import Analyzer
from facecli.live.analyzer import LiveAnalyzer
from facecli.pipeline.batch import Decoder
from facecli.web.decoder import DecoderLostError
from facecli.web.live_protocol import (
    BROKEN,
    LATER,
    UNSUPPORTED,
    Command,
    LiveFrame,
    LiveLimits,
    LiveProblem,
    decode_frame,
    face_rows,
    parse_command,
    parse_frame,
)
from facecli.web.service import Busy

log: logging.Logger = logging.getLogger(__name__)
_AGAIN_S, _TRIES = 0.05, 200
Answer = TypeVar("Answer")
router: APIRouter = APIRouter()
_FAREWELL_S = 2.0


class Taken(NamedTuple):
    """A frame to be analysed.

    Attributes:
        time_s: when it came, seconds, rising.
        dropped: how many before it nobody took.
        anew: it has nothing to do with the frames before it.
    """

    frame: LiveFrame
    time_s: float
    dropped: int
    anew: bool


class NewestFrame:
    """Holds the newest frame only; given by the event loop, taken by a worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[LiveFrame, float, bool] | None = None
        self._dropped = 0
        self._anew = False

    def begin_anew(self) -> None:
        """What is put from now on has nothing to do with what was put before.

        Frames carry it, not workers: one that was called for an earlier frame may take a later one.
        """
        with self._lock:
            self._anew = True

    def put(self, frame: LiveFrame) -> None:
        """Replaces the frame that lies there."""
        with self._lock:
            if self._held is not None:
                self._dropped += 1
                self._anew |= self._held[2]
            self._held, self._anew = (frame, self._clock(), self._anew), False

    def take(self) -> Taken | None:
        """The newest frame, once; None when it was taken already."""
        with self._lock:
            if self._held is None:
                return None
            frame, time_s, anew = self._held
            taken = Taken(frame, time_s, self._dropped, anew)
            self._held, self._dropped = None, 0
            return taken


class TokenBucket:
    """Lets `burst` through at once and `per_s` in the long run."""

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._left, self._last_s = float(burst), clock()

    def take(self) -> bool:
        """May one more come now?"""
        now_s = self._clock()
        self._left = min(self._burst, self._left + (now_s - self._last_s) * self._per_s)
        self._last_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class LiveWorker:
    """Who is in one viewer's frames. One thread at a time may use it."""

    def __init__(
        self,
        analyzer: Analyzer,
        slot: NewestFrame,
        limits: LiveLimits,
        with_heads: bool,
        decoder: Decoder,
    ) -> None:
        """Begins with nobody known.

        Args:
            analyzer: with a detector of its own.
            slot: where the viewer's frames lie.
            limits: of a frame.
            with_heads: say also where the whole heads are.
            decoder: decodes the frames.
        """
        self._live = LiveAnalyzer(analyzer)
        self._slot, self._limits, self._with_heads, self._decoder = slot, limits, with_heads, decoder
        self._last_s = float("-inf")

    def work(self) -> dict[str, Any] | None:
        """The answer to the newest frame; None when there is none. Raises LiveProblem."""
        taken = self._slot.take()
        if taken is None:
            return None
        if taken.anew:
            self._live.reset()
        start_s = time.perf_counter()
        faces, size = self._look(taken)
        return {
            "type": "faces",
            "frame": taken.frame.number,
            "sent_ms": taken.frame.sent_ms,
            "width": size[0],
            "height": size[1],
            "analysis_ms": round((time.perf_counter() - start_s) * 1000, 1),
            "dropped": taken.dropped,
            "faces": face_rows(faces, size, self._with_heads),
        }

    def _look(self, taken: Taken) -> tuple[list[Face], tuple[int, int]]:
        """Faces, and width and height of the frame."""
        try:
            image_rgb = decode_frame(taken.frame.data, self._limits, self._decoder)
            # Two frames may come within one tick of the clock; a track needs time to pass.
            self._last_s = max(taken.time_s, self._last_s + 1e-3)
            faces = self._live.analyze(image_rgb, self._last_s)
        except DecoderLostError as error:
            raise LiveProblem(503, "No decoder", "Frames cannot be decoded here just now.", LATER) from error
        except (cv2.error, MemoryError) as error:
            log.warning("a live frame could not be analysed: %s", error)
            detail = "The frame could not be analysed."
            raise LiveProblem(422, "Damaged picture", detail, UNSUPPORTED) from error
        return faces, (image_rgb.shape[1], image_rgb.shape[0])


class Engine(Protocol):
    """The part of `Service` that is needed here."""

    @property
    def default_model(self) -> str: ...

    @property
    def default_detector(self) -> str: ...

    @property
    def frame_decoder(self) -> Decoder: ...

    def analyzer(self, model: str, detector: str) -> Analyzer: ...

    async def load(self, models: Iterable[str]) -> None: ...

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
        self.frames: int = 0

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
            await self._engine.load([query.model])
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
        with_heads, decoder = query.anonymize is not None, self._engine.frame_decoder
        return LiveWorker(analyzer, self._slot, self._limits, with_heads, decoder)

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
