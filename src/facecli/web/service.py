"""The workers: a few threads that analyse, a queue of bounded length before them."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import cv2

from facecli.detect.registry import Detector
from facecli.infer.analyzer import Analyzer, ReadoutOptions
from facecli.infer.compare import ComparingAnalyzer
from facecli.web.model_registry import ModelRegistry

Answer = TypeVar("Answer")


class Busy(Exception):
    """Every worker is taken and the queue is full."""


class Service:
    """Analyses for all requests and viewers of one process."""

    def __init__(self, registry: ModelRegistry, workers: int, places: int) -> None:
        """Starts no thread yet.

        Args:
            registry: models and detectors.
            workers: threads, one or more.
            places: pictures that are analysed or wait at once, not fewer than workers.
        """
        self.registry, self.workers, self.places = registry, workers, places
        self.taken = 0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="web-worker")
        self._own = threading.local()
        if workers > 1:
            # Each worker searches a picture of its own.
            cv2.setNumThreads(1)

    @property
    def is_full(self) -> bool:
        """Would `run` refuse?"""
        return self.taken >= self.places

    async def run(self, function: Callable[..., Answer], *args: Any) -> Answer:
        """The answer of `function`, which a worker calls.

        A caller that is cancelled gives its place in the queue back; a worker that has begun ends.

        Raises:
            Busy: at once, when the queue is full; nothing was done.
        """
        if self.is_full:
            raise Busy
        loop = asyncio.get_running_loop()
        self.taken += 1
        try:
            running = self._pool.submit(function, *args)
        except RuntimeError as error:
            self.taken -= 1
            raise Busy from error
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(self._give_back))
        return await asyncio.wrap_future(running)

    def _give_back(self) -> None:
        self.taken -= 1

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
        return Analyzer(self.registry.build_detector(detector), self.registry.predictor(model))

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
        own = self._detector(detector)
        reading = ReadoutOptions(distribution=details)
        analyzers = {
            name: Analyzer(own, self.registry.predictor(name), None, all_found, reading) for name in models
        }
        return ComparingAnalyzer(analyzers) if len(analyzers) > 1 else analyzers[models[0]]

    def _detector(self, name: str) -> Detector:
        detectors = self._own.__dict__.setdefault("detectors", {})
        if name not in detectors:
            detectors[name] = self.registry.build_detector(name)
        return detectors[name]

    def close(self) -> None:
        """Waits for the pictures that are being analysed; those that wait are given up."""
        self._pool.shutdown(wait=True, cancel_futures=True)
