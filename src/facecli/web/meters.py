"""What Prometheus is told: requests, how long they took, faces, and how full the queue is."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily

from facecli.web.service import Service

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4


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
        for name, what, value in (
            ("facecli_queue_taken", "Pictures that are analysed or wait.", lambda: service.taken),
            ("facecli_queue_places", "Pictures that may be analysed or wait.", lambda: service.places),
            ("facecli_workers", "Pictures that are analysed at once.", lambda: service.workers),
        ):
            Gauge(name, what, registry=self._registry).set_function(value)
        self.viewers = Gauge("facecli_live_viewers", "Viewers of live mode.", registry=self._registry)

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
        for name, predictor in self._service.roster.loaded.items():
            faces.add_metric((name,), predictor.crops)
            calls.add_metric((name,), predictor.calls)
        yield faces
        yield calls
