"""The workers: a few threads that analyse, a queue of bounded length before them.

In one of them bytes and query become a row, or a drawn picture.
"""

import asyncio
import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple, TypeVar

import cv2
from fastapi import Depends, Query, Request

from facecli.core.arrays import Array
from facecli.core.errors import EncodingError, FacecliError, ImageError, ImageTooLargeError
from facecli.core.faces import Face, FrameResult
from facecli.core.images import encode_image
from facecli.detect.registry import Detector, detector_names
from facecli.draw.annotate import annotate
from facecli.draw.anonymize import METHODS, anonymize, head_box
from facecli.draw.panel import draw_compared, draw_details
from facecli.infer.analyzer import Analyzer, ComparingAnalyzer, ReadoutOptions
from facecli.pipeline.batch import find_faces_in
from facecli.web.decoder import DecoderLostError, DecoderPool, DecodingLane, HeavyPicture
from facecli.web.model_registry import ModelRegistry
from facecli.web.schemas import RETRY_AFTER_S, Problem
from facecli.web.settings import Limits, usable_cores

Answer = TypeVar("Answer")
log: logging.Logger = logging.getLogger(__name__)
WORKERS = "web-worker"
"""What the names of their threads begin with."""
_QUALITY = 92
_MOST_MODELS = 8
_LAST_WAIT_S = 5.0
"""At the end, for workers whose clients have left."""


class Busy(Exception):
    """Every worker is taken and the queue is full."""


class Service:
    """Analyses for all requests and viewers of one process.

    Beside the workers one thread more has the heavy pictures (`web.decoder.HeavyPicture`), one after the
    other: together they fill no memory, and others need not wait behind them.
    """

    registry: ModelRegistry
    workers: int
    places: int

    def __init__(
        self,
        registry: ModelRegistry,
        workers: int,
        places: int,
        limits: Limits = Limits(),  # noqa: B008
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts no thread yet.

        Args:
            registry: models and detectors.
            workers: threads, one or more.
            places: pictures that are analysed or wait at once, not fewer than workers.
            limits: of decoding, and the time after which a worker counts as stuck.
            clock: seconds, rising.
        """
        self.registry, self.workers, self.places = registry, workers, places
        self.taken: int = 0
        self.decoders: DecoderPool = DecoderPool(min(workers, usable_cores()), limits.decode_s)
        self._stuck_s, self._clock = limits.answer_s, clock
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=WORKERS)
        self._heavy_pool = ThreadPoolExecutor(1, f"{WORKERS}_heavy", self._take_heavy)
        self._loader = ThreadPoolExecutor(1, f"{WORKERS}_models")
        self._numbers = itertools.count()
        self._begun_s: dict[int, float] = {}
        self._moved_s = clock()
        self._futures: set[Future[Any]] = set()
        self._heavy = 0
        if workers > 1:
            # Each worker searches a picture of its own.
            cv2.setNumThreads(1)

    def start(self) -> None:
        """Lets the decoders wake, so that the first picture does not wait for them."""
        threading.Thread(target=self.decoders.start, name="decoders", daemon=True).start()

    @property
    def is_full(self) -> bool:
        """Would `run` refuse?"""
        return self.taken >= self.places

    async def run(self, function: Callable[..., Answer], *args: Any) -> Answer:
        """The answer of `function`, which a worker calls.

        A caller that is cancelled gives its place in the queue back; a worker that has begun ends.

        Raises:
            Busy: at once, when the queue is full; nothing was done. Later, when the picture is heavy and such
                ones have half of the places.
        """
        if self.is_full:
            raise Busy
        try:
            return await self._submit(self._pool, function, args)
        except HeavyPicture:
            if self._heavy >= max(1, self.places // 2):
                raise Busy from None
        self._heavy += 1
        try:
            return await self._submit(self._heavy_pool, function, args)
        finally:
            self._heavy -= 1

    async def load(self, models: Iterable[str]) -> None:
        """Loads models beside the workers, which go on reading with those that are there.

        Raises CheckpointError.
        """
        for name in models:
            if name not in self.registry.loaded:
                await asyncio.get_running_loop().run_in_executor(self._loader, self.registry.predictor, name)

    async def _submit(
        self, pool: ThreadPoolExecutor, function: Callable[..., Answer], args: tuple[Any, ...]
    ) -> Answer:
        loop = asyncio.get_running_loop()
        if not self.taken:
            self._moved_s = self._clock()
        self.taken += 1
        try:
            running = pool.submit(self._work, next(self._numbers), function, args)
        except RuntimeError as error:
            self.taken -= 1
            raise Busy from error
        self._futures.add(running)
        running.add_done_callback(lambda future: self._told(loop, future))
        return await asyncio.wrap_future(running)

    def _work(self, number: int, function: Callable[..., Answer], args: tuple[Any, ...]) -> Answer:
        self._moved_s = self._begun_s[number] = self._clock()
        try:
            return function(*args)
        finally:
            del self._begun_s[number]
            self._moved_s = self._clock()

    def _told(self, loop: asyncio.AbstractEventLoop, future: Future[Any]) -> None:
        # A worker that was left in the middle may end after everything else.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._give_back, future)

    def _give_back(self, future: Future[Any]) -> None:
        self._futures.discard(future)
        self.taken -= 1

    def _take_heavy(self) -> None:
        self._own.takes_heavy = True

    @property
    def trouble(self) -> str | None:
        """What is wrong: a worker that is stuck, a queue that does not move, no decoder; None if nothing."""
        now_s = self._clock()
        begun_s = list(self._begun_s.values())
        if begun_s and now_s - min(begun_s) > self._stuck_s:
            return f"A worker is stuck: one picture has taken it more than {self._stuck_s:g} seconds."
        if self.taken > len(begun_s) and now_s - self._moved_s > self._stuck_s / 2:
            return f"The queue has not moved for {self._stuck_s / 2:g} seconds."
        if self.decoders.trouble is not None:
            return f"{self.decoders.trouble.capitalize()}."
        return None

    @property
    def decoder(self) -> DecodingLane:
        """What decodes pictures for the thread that asks; raises HeavyPicture for what it must not decode."""
        return self.decoders.lane(getattr(self._own, "takes_heavy", False))

    @property
    def frame_decoder(self) -> DecodingLane:
        """What decodes frames of live mode, which are small by their own limits."""
        return self.decoders.lane(True)

    @property
    def default_model(self) -> str:
        """Name of the model that reads when nothing else is asked for."""
        return self.registry.default

    @property
    def default_detector(self) -> str:
        """Name of the detector likewise."""
        return self.registry.default_detector

    def analyzer(self, model: str, detector: str) -> Analyzer:
        """A new analyzer with a detector of its own, for one viewer.

        Raises:
            CheckpointError, InputError: no such model or detector here.
        """
        return Analyzer(self.registry.build_detector(detector, [model]), self.registry.predictor(model))

    def thread_analyzer(
        self, models: Sequence[str], detector: str, details: bool = False, all_found: bool = False
    ) -> Analyzer | ComparingAnalyzer:
        """The analyzer for one picture, in the thread that calls: its detector is this thread's.

        Args:
            models: names; of several the first one decides what is no face.
            detector: name.
            details: give the distribution over the years, too.
            all_found: give also what the model takes for no face.

        Raises:
            CheckpointError, InputError: no such model or detector here.
        """
        own = self._detector(detector, models)
        reading = ReadoutOptions(distribution=details)
        analyzers = {
            name: Analyzer(own, self.registry.predictor(name), None, all_found, reading) for name in models
        }
        return ComparingAnalyzer(analyzers) if len(analyzers) > 1 else analyzers[models[0]]

    def _detector(self, name: str, models: Sequence[str]) -> Detector:
        detectors = self._own.__dict__.setdefault("detectors", {})
        key = name, self.registry.may_refine(name, models)
        if key not in detectors:
            detectors[key] = self.registry.build_detector(name, models)
        return detectors[key]

    def close(self, wait_s: float = _LAST_WAIT_S) -> None:
        """Waits for the pictures that are being analysed; those that wait are given up.

        One that takes longer than `wait_s` is left, with its thread.
        """
        for pool in (self._pool, self._heavy_pool, self._loader):
            pool.shutdown(wait=False, cancel_futures=True)
        _, left = wait([one for one in self._futures if not one.cancelled()], wait_s)
        if left:
            log.warning("%d pictures are left in the middle", len(left))
        self.decoders.close()


class AnalysisQuery(NamedTuple):
    """What a client wants of its pictures.

    Attributes:
        models: names, one or more.
        detector: name.
        details: the distribution over the years, or panels in drawn pictures.
        anonymize: how heads are covered, or None.
        show_rejected: also what the model takes for no face.
    """

    models: tuple[str, ...]
    detector: str
    details: bool = False
    anonymize: str | None = None
    show_rejected: bool = False


class Look(NamedTuple):
    """How a picture is drawn.

    Attributes:
        suffix: of the file, ".png" or ".jpg".
        label_size: of the letters, relative to what suits the picture.
        plain: neither boxes nor labels.
    """

    suffix: str = ".jpg"
    label_size: float = 1.0
    plain: bool = False


def analyze_picture(
    service: Service, name: str, data: bytes, query: AnalysisQuery, max_pixels: int
) -> dict[str, Any]:
    """The row of one picture; with `anonymize` also where heads are.

    Raises Problem.
    """
    faces, size = _faces(service, name, data, query, max_pixels)
    shown = tuple(face for face in faces if query.show_rejected or not face.rejected)
    row = FrameResult(
        name, *size, shown, model=service.registry.entries[query.models[0]].config["name"]
    ).to_json()
    if query.anonymize is not None:
        for face, written in zip(shown, row["faces"], strict=True):
            written["head_xyxy"] = list(head_box(face.box_xyxy, size))
        row["heads_xyxy"] = [list(head_box(face.box_xyxy, size)) for face in faces]
    return row


def failed_row(name: str, reason: str) -> dict[str, Any]:
    """The row of a picture among others that could not be analysed."""
    return FrameResult(name, None, None, error=reason).to_json()


def annotate_picture(
    service: Service, name: str, data: bytes, query: AnalysisQuery, max_pixels: int, look: Look
) -> bytes:
    """The picture with its faces drawn in, encoded.

    Raises Problem.
    """
    faces, _ = _faces(service, name, data, query, max_pixels)
    with _as_problems(name):
        image_rgb = service.decoder.decode_image(data, name, max_pixels)
        if query.anonymize is not None:
            image_rgb = anonymize(image_rgb, faces, query.anonymize)
        shown = [face for face in faces if query.show_rejected or not face.rejected]
        draw = draw_details if query.details else draw_compared if len(query.models) > 1 else annotate
        drawn = image_rgb if look.plain else draw(image_rgb, shown, label_size=look.label_size)
        return _encoded(drawn, look.suffix)


def _faces(
    service: Service, name: str, data: bytes, query: AnalysisQuery, max_pixels: int
) -> tuple[list[Face], tuple[int, int]]:
    """All faces, refused ones too, and width and height of the picture."""
    try:
        analyzer = service.thread_analyzer(query.models, query.detector, query.details, all_found=True)
    except FacecliError as error:
        log.warning("%s", error)
        raise unusable(query) from error
    with _as_problems(name):
        found, size = find_faces_in(data, name, analyzer, max_pixels, service.decoder)
        return analyzer.read([found])[0], size


@contextmanager
def _as_problems(name: str) -> Iterator[None]:
    """What can be wrong with a picture, as a Problem."""
    try:
        yield
    except ImageTooLargeError as error:
        raise Problem(413, "Picture too large", f"{error}.") from error
    except ImageError as error:
        raise Problem(422, "Unreadable picture", f"{' '.join(str(error).split())}.") from error
    except DecoderLostError as error:
        detail = "Pictures cannot be decoded here just now; try again in a moment."
        raise Problem(503, "No decoder", detail, {"Retry-After": str(RETRY_AFTER_S)}) from error
    except (cv2.error, MemoryError) as error:
        log.warning("a picture could not be analysed: %s", error)
        raise Problem(422, "Unreadable picture", f"{name} cannot be analysed; save it again.") from error


def unusable(query: AnalysisQuery) -> Problem:
    """The models or the detector cannot be used here; of why, the client learns nothing."""
    detail = (
        f"Model '{','.join(query.models)}' with detector '{query.detector}' cannot be used here; "
        "/api/v1/models says what can."
    )
    return Problem(404, "Unknown model or detector", detail)


def _encoded(image_rgb: Array, suffix: str) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    try:
        return bytes(encode_image(image_rgb, suffix, options, given_away=True))
    except EncodingError as error:
        raise ImageError(f"{error} (format=png)") from error


async def read_query(
    request: Request,
    model: Annotated[
        str | None,
        Query(
            max_length=400,
            description="Name of a model (see /api/v1/models), or several with commas: then every face has "
            "`models`. The server's default when left out.",
            examples=["facenet"],
        ),
    ] = None,
    detector: Annotated[
        str | None,
        Query(
            description=f"How faces are found: {', '.join(detector_names())} (none: the picture is one face)."
        ),
    ] = None,
    details: Annotated[bool, Query(description="The age distribution; panels in drawn pictures.")] = False,
    anonymize: Annotated[
        str | None,
        Query(
            description="Cover heads in drawn pictures; rows then say where they are (`heads_xyxy`).",
            pattern=f"^({'|'.join(METHODS)})$",
        ),
    ] = None,
    show_rejected: Annotated[bool, Query(description="Also boxes that the model takes for no face.")] = False,
) -> AnalysisQuery:
    """What the client wants. Raises Problem for a model or detector that is not here."""
    registry: ModelRegistry = request.app.state.registry
    names = (model or registry.default).split(",")
    models = tuple(dict.fromkeys(name.strip() for name in names))
    query = AnalysisQuery(models, detector or registry.default_detector, details, anonymize, show_rejected)
    if len(models) > _MOST_MODELS:
        raise Problem(422, "Wrong parameters", f"At most {_MOST_MODELS} models can be compared.")
    if not set(models) <= set(registry.entries) or query.detector not in registry.detectors:
        raise unusable(query._replace(models=("?",)) if len(model or "") > 100 else query)
    return query


QueryParameters = Annotated[AnalysisQuery, Depends(read_query)]
"""Type of a route's parameter."""
