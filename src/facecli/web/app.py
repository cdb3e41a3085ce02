"""The application: routes that analyse, the layers around them, and the server that listens for it."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from types import FrameType
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import APIRouter, FastAPI, Query, Request, Response
from starlette.datastructures import State
from starlette.responses import JSONResponse

from facecli import __version__
from facecli.core.attributes import FACE_HEADS
from facecli.core.errors import CheckpointError, InputError
from facecli.core.faces import with_further
from facecli.draw.anonymize import METHODS
from facecli.models.registry import Entry
from facecli.models.terms import terms_of
from facecli.sinks.html import measured_cautions
from facecli.web import live_session, pages, schemas
from facecli.web.guard import BodyLimit, Guard, StrictWebSocket, bounded_protocol
from facecli.web.live_protocol import LiveLimits
from facecli.web.model_registry import ModelRegistry
from facecli.web.observe import MEDIA_TYPE, Meters, Observe
from facecli.web.schemas import Problem, busy
from facecli.web.service import (
    AnalysisQuery,
    Busy,
    Look,
    QueryParameters,
    Service,
    analyze_picture,
    annotate_picture,
    failed_row,
    unusable,
)
from facecli.web.settings import Settings
from facecli.web.upload import Fetcher, Given, PictureAddress, read_given

server_router: APIRouter = APIRouter(tags=["server"])

analysis_router: APIRouter = APIRouter(prefix="/api/v1", tags=["analysis"])
_AGAIN_S, _SELDOM_S = 0.02, 0.5
"""How soon a full queue is asked again, at first and in the long run."""
_MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg"}
_SUFFIXES = {"png": ".png", "jpeg": ".jpg"}

compatibility_router: APIRouter = APIRouter(tags=["compatibility"])

_BACKLOG = 512
_DRAIN_S = 20
_KEEP_ALIVE_S = 10
_STAMP_BYTES = 8
_SIGNALLED = 128
"""Plus the number of the signal: how shells tell of it."""

log: logging.Logger = logging.getLogger(__name__)
_ABOUT = """Apparent age, gender, race and emotion of every face in a picture. Pictures are analysed in
memory and not stored. Errors are problem details (RFC 9457)."""


@server_router.get("/api/v1/models", summary="Models and detectors that can be asked for", **schemas.models())
async def models(request: Request) -> dict[str, Any]:
    """The models here with what was measured of them, the default first."""
    registry = request.app.state.registry
    return {
        "default": registry.default,
        "default_detector": registry.default_detector,
        "detectors": list(registry.detectors),
        "anonymize": list(METHODS),
        "models": [describe_model(name, entry) for name, entry in registry.entries.items()],
    }


@server_router.get("/healthz", summary="Is the server well?", **schemas.health())
async def healthz(request: Request) -> dict[str, Any]:
    """A problem when a worker is stuck, the queue does not move or nothing can be decoded; needs no token."""
    service = request.app.state.service
    if service.decoders.trouble is not None:
        # Who is not well is asked for nothing else, and would never find out that it is again.
        service.start()
    if service.trouble is not None:
        raise Problem(503, "Not well", service.trouble, {"Retry-After": str(schemas.RETRY_AFTER_S)})
    return {"status": "ok", "version": __version__, "taken": service.taken, "places": service.places}


@server_router.get("/metrics", summary="Figures for Prometheus", response_class=Response, **schemas.metrics())
async def metrics(request: Request) -> Response:
    """Requests, seconds, pictures, faces, queue."""
    return Response(request.app.state.meters.text(), media_type=MEDIA_TYPE)


def describe_model(name: str, entry: Entry) -> dict[str, Any]:
    """One model for clients."""
    config = entry.config
    terms = terms_of(config)
    return {
        "name": name,
        "heads": list(config["heads"]),
        "image_size": list(config["image_size"]),
        "size_bytes": entry.network_bytes,
        "shipped": entry.shipped,
        "licence": terms.licence,
        "may_be_used_for": terms.may_be_used_for,
        "measured": measured_cautions(entry.metrics, entry.further),
        "metrics": _figures(entry.metrics, entry.further),
    }


def _figures(metrics: dict[str, Any], further: Iterable[str]) -> dict[str, float]:
    """The figures of the test split that there are."""
    found = {}
    for head, key in (("age", "mae"), *((head, "accuracy") for head in with_further(FACE_HEADS, further))):
        part = metrics.get(head)
        value = part.get(key) if isinstance(part, dict) else None
        if isinstance(value, float):
            found[f"{head}_{key}"] = round(value, 4)
    return found


@analysis_router.post(
    "/analyze",
    summary="Faces of one picture or of several",
    response_class=JSONResponse,
    **schemas.analyze(),
)
async def analyze(request: Request, query: QueryParameters) -> Response:
    """The row of `facecli run --json` for one picture; `{"pictures": [row, …]}` for several.

    Of several pictures, one that cannot be read is a row with `error`; alone it is a problem.
    """
    state = request.app.state
    given = await receive(request)
    if len(given) == 1:
        return JSONResponse(await analyze_one(state, given[0], query))
    rows = [await _row_or_error(state, one, query, index > 0) for index, one in enumerate(given)]
    return JSONResponse({"pictures": rows})


@analysis_router.post(
    "/annotate", summary="One picture with its faces drawn in", response_class=Response, **schemas.annotate()
)
async def annotate(
    request: Request,
    query: QueryParameters,
    format: Annotated[Literal["png", "jpeg"], Query(description="Of the answer.")] = "jpeg",
    label_size: Annotated[
        float, Query(ge=0.25, le=4, description="Of the letters, relative to what suits the picture.")
    ] = 1.0,
    plain: Annotated[
        bool, Query(description="Neither boxes nor labels; heads are covered if asked.")
    ] = False,
) -> Response:
    """Boxes and labels, with `details` also a panel for each face; heads covered with `anonymize`."""
    state = request.app.state
    given = await receive(request)
    if len(given) > 1:
        raise Problem(422, "Too many pictures", "Only one picture is drawn at a time.")
    await _load_models(state, query)
    name, data = await _loaded(state, given[0])
    look = Look(_SUFFIXES[format], label_size, plain)
    drawn = await in_turn(state, annotate_picture, state.service, name, data, query, _pixels(state), look)
    state.meters.analysed(query.detector)
    return Response(drawn, media_type=_MEDIA_TYPES[format])


async def receive(request: Request) -> Sequence[Given]:
    """The pictures of a request. Raises Problem; when the queue is full, before the body is read."""
    state = request.app.state
    if state.service.is_full:
        raise busy()
    return await read_given(request, state.settings.limits)


async def analyze_one(
    state: State, given: Given, query: AnalysisQuery, waits: bool = False
) -> dict[str, Any]:
    """The row of a picture. Raises Problem.

    Args:
        state: of the application.
        given: the picture.
        query: what is wanted.
        waits: a full queue is waited for, since others of the same request were analysed.
    """
    await _load_models(state, query)
    name, data = await _loaded(state, given)
    arguments = state.service, name, data, query, _pixels(state)
    row = await in_turn(state, analyze_picture, *arguments, waits=waits)
    state.meters.analysed(query.detector)
    return row


async def _row_or_error(state: State, given: Given, query: AnalysisQuery, waits: bool) -> dict[str, Any]:
    try:
        return await analyze_one(state, given, query, waits)
    except Problem as problem:
        if problem.status >= 500:
            raise
        return failed_row(given.name, problem.detail)


async def _loaded(state: State, given: Given) -> tuple[str, bytes]:
    """Name and bytes, fetched when it is an address."""
    if isinstance(given, PictureAddress):
        return given.name, await state.fetcher.fetch(given.url)
    return given.name, given.data


async def _load_models(state: State, query: AnalysisQuery) -> None:
    """Raises Problem."""
    try:
        await state.service.load(query.models)
    except CheckpointError as error:
        log.warning("%s", error)
        raise unusable(query) from error


async def in_turn(state: State, function: Callable[..., Any], *arguments: Any, waits: bool = False) -> Any:
    """What a worker makes of it when it is its turn.

    Raises Problem when there is no place in the queue, or it takes too long.
    """
    limit_s = state.settings.limits.answer_s
    try:
        return await asyncio.wait_for(_when_free(state, function, arguments, waits), limit_s)
    except asyncio.TimeoutError:
        raise Problem(
            503, "Too slow", f"No answer within {limit_s:g} seconds.", {"Retry-After": "10"}
        ) from None


async def _when_free(
    state: State, function: Callable[..., Any], arguments: tuple[Any, ...], waits: bool
) -> Any:
    pause_s = _AGAIN_S
    while True:
        try:
            return await state.service.run(function, *arguments)
        except Busy:
            if not waits:
                raise busy() from None
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _SELDOM_S)


def _pixels(state: State) -> int:
    return state.settings.limits.pixels


@compatibility_router.post(
    "/predict", summary="Age, gender and race of the largest face", **schemas.predict()
)
async def predict(request: Request) -> dict[str, Any]:
    """For clients of face2data: field `image`, answer `{"age", "gender": {…}, "race": {…}}`."""
    state = request.app.state
    given = await receive(request)
    if len(given) > 1:
        raise Problem(422, "Too many pictures", "Only one picture is read; /api/v1/analyze takes more.")
    row = await analyze_one(
        state, given[0], AnalysisQuery((state.registry.default,), state.registry.default_detector)
    )
    if not row["faces"]:
        raise Problem(422, "No face", "No face was found; send a picture of an upright face.")
    face = max(row["faces"], key=_area)
    return {
        "age": face.get("age_years"),
        "gender": face.get("gender_probabilities", {}),
        "race": face.get("race_probabilities", {}),
    }


def _area(face: dict[str, Any]) -> int:
    x_min, y_min, x_max, y_max = face["box_xyxy"]
    return (x_max - x_min) * (y_max - y_min)


def build_app(settings: Settings, live_limits: LiveLimits | None = None) -> FastAPI:
    """The ASGI application of `facecli serve`.

    Args:
        settings: how it serves.
        live_limits: of the viewers of live mode.

    Raises:
        CheckpointError, InputError: the model or the detector of the settings cannot be used.
    """
    app = FastAPI(
        title="facecli",
        version=__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    state = app.state
    state.settings = settings
    state.live_limits = live_limits or LiveLimits()
    state.registry = ModelRegistry(settings)
    state.service = Service(state.registry, settings.workers, settings.places, settings.limits)
    state.fetcher = Fetcher(settings.limits.body_bytes)
    state.meters = Meters(state.service)
    state.meters.viewers.set_function(lambda: getattr(state, "live_viewers", 0))
    routers = (analysis_router, compatibility_router, server_router, live_session.router, pages.router)
    for part in routers:
        app.include_router(part)
    _describe_heads(app)
    schemas.install(app)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, limits=settings.limits)
    app.add_middleware(Guard, token=settings.token, hosts=settings.hosts, any_address=settings.any_address)
    app.add_middleware(Observe)
    return app


def _describe_heads(app: FastAPI) -> None:
    """/openapi.json knows the heads that the models here bring."""
    entries = app.state.registry.entries.values()
    further = {head: names for entry in entries for head, names in entry.further.items()}
    described = schemas.with_heads(app.openapi(), further)
    app.openapi_schema = described


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.service.start()
    yield
    log.info("waiting for the pictures that are being analysed")
    app.state.service.close()
    app.state.fetcher.close()


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
        app: see `build_app`.
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
