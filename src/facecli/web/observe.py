"""What is written and counted of every request (Prometheus), and the headers that every answer has."""

import asyncio
import logging
import time
from collections.abc import Iterator
from urllib.parse import quote

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facecli.web.schemas import internal
from facecli.web.service import Service

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_CLIENT_LEFT = 499
"""As nginx has it: no status was sent, because nobody was there to read it."""

log: logging.Logger = logging.getLogger(__name__)
access: logging.Logger = logging.getLogger("facecli.access")
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


class Meters:
    """The counters of one application."""

    def __init__(self, service: Service) -> None:
        self._registry = CollectorRegistry()
        labels = ("route", "method", "status")
        self._requests = self._counter("facecli_requests", "Requests by route, method and status.", labels)
        self._seconds = Histogram(
            "facecli_request_seconds",
            "Seconds from the head of a request to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._pictures = self._counter("facecli_pictures", "Pictures of requests.", ("detector",))
        self._registry.register(_Networks(service))
        self._registry.register(_Decoders(service))
        for name, what, value in (
            ("facecli_queue_taken", "Pictures that are analysed or wait.", lambda: service.taken),
            ("facecli_queue_places", "Pictures that may be analysed or wait.", lambda: service.places),
            ("facecli_workers", "Pictures that are analysed at once.", lambda: service.workers),
        ):
            Gauge(name, what, registry=self._registry).set_function(value)
        self.viewers: Gauge = Gauge("facecli_live_viewers", "Viewers of live mode.", registry=self._registry)

    def _counter(self, name: str, what: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, what, labels, registry=self._registry)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def analysed(self, detector: str) -> None:
        """One picture was analysed."""
        self._pictures.labels(detector).inc()

    def text(self) -> bytes:
        """In Prometheus's text format 0.0.4."""
        return generate_latest(self._registry)


class _Networks:
    """What each network has read for requests and viewers alike, asked when figures are wanted."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[CounterMetricFamily]:
        """As prometheus-client's registry calls it."""
        faces = CounterMetricFamily("facecli_faces", "Faces read.", labels=("model",))
        calls = CounterMetricFamily(
            "facecli_model_calls", "Calls, each with the faces of one request or several.", labels=("model",)
        )
        for name, predictor in self._service.registry.loaded.items():
            faces.add_metric((name,), predictor.crops)
            calls.add_metric((name,), predictor.calls)
        yield faces
        yield calls


class _Decoders:
    """How often a process that decodes had to be replaced."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[CounterMetricFamily]:
        """As prometheus-client's registry calls it."""
        told = "Decoders that were ended (timeout) or ended by themselves (death)."
        ended = CounterMetricFamily("facecli_decoders_ended", told, labels=("reason",))
        ended.add_metric(("timeout",), self._service.decoders.timeouts)
        ended.add_metric(("death",), self._service.decoders.deaths)
        yield ended


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
        except ClientDisconnect:
            log.info("a client left before its request was whole")
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
        status = watched.status or _CLIENT_LEFT
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
