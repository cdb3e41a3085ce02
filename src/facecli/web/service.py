"""The workers: a few threads that analyse, a queue of bounded length before them."""

import asyncio
import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import cv2

from facecli.detect.registry import Detector
from facecli.infer.analyzer import Analyzer, ComparingAnalyzer, ReadoutOptions
from facecli.web.decoder import DecoderPool, DecodingLane, HeavyPicture
from facecli.web.model_registry import ModelRegistry
from facecli.web.settings import Limits, usable_cores

Answer = TypeVar("Answer")
log: logging.Logger = logging.getLogger(__name__)
WORKERS = "web-worker"
"""What the names of their threads begin with."""
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
