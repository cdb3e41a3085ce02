"""Which models and detectors a server offers, loaded when first asked for, one network for all threads."""

import logging
import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from facecli.core.arrays import Array
from facecli.core.errors import CheckpointError, InputError
from facecli.core.paths import MODEL_FOLDERS
from facecli.detect.registry import (
    Detector,
    build_detector,
    choose_detector,
    detector_names,
    find_entry,
    has_weights,
    may_refine,
)
from facecli.infer.analyzer import crop_for
from facecli.models.checkpoint import Checkpoint, load_checkpoint
from facecli.models.litert import Predictor
from facecli.models.readout import Calibration
from facecli.models.registry import Entry, describe, list_models
from facecli.web.settings import Settings, usable_cores

_MOST_CROPS = 64
"""Of one call: more would keep the first of them waiting."""

log: logging.Logger = logging.getLogger(__name__)
_SHORT = {folder: model_type for model_type, folder in MODEL_FOLDERS.items()}


class SharedPredictor:
    """What `Predictor` is to one thread, to many.

    Whoever finds the network free reads all crops that lie there, those of others too (flat combining,
    Hendler, Incze, Shavit & Tzafrir 2010): nobody waits for a batch to fill, and under load it fills.
    """

    def __init__(self, predictors: Sequence[Predictor]) -> None:
        """Takes one or more copies of the same network: so many calls run at once."""
        self._first = predictor = predictors[0]
        self._free: queue.SimpleQueue[Predictor] = queue.SimpleQueue()
        for one in predictors:
            self._free.put(one)
        self.checkpoint: Checkpoint = predictor.checkpoint
        self.heads: tuple[str, ...] = predictor.heads
        self.image_size: tuple[int, int] = predictor.image_size
        self.calibration: Calibration = predictor.calibration
        self._waiting: list[tuple[Array, Future[Any]]] = []
        self._list_lock = threading.Lock()
        self.calls = self.crops = 0

    def predict(self, crops: Array) -> dict[str, Array]:
        """As `Predictor.predict`, from any thread.

        Args:
            crops: (n, height, width, 3) uint8 RGB, of the checkpoint's image size; n may be 0.

        Returns:
            Head -> (n, classes) float32, rows sum to 1.

        Raises:
            ValueError: crops of another shape or type.
        """
        if len(crops) == 0 or crops.dtype != np.uint8 or crops.shape[1:] != (*self.image_size, 3):
            # Nothing to run, or what the predictor itself refuses.
            return self._first.predict(crops)
        mine: Future[Any] = Future()
        with self._list_lock:
            self._waiting.append((crops, mine))
        while self._is_waiting(mine):
            predictor = self._free.get()
            try:
                self._read_some(predictor)
            finally:
                self._free.put(predictor)
        return mine.result()

    def _is_waiting(self, future: Future[Any]) -> bool:
        """Has nobody begun to read it?"""
        with self._list_lock:
            return any(one is future for _, one in self._waiting)

    def _read_some(self, predictor: Predictor) -> None:
        """Reads what lies there, the oldest first, and hands it out."""
        taken = self._take()
        if not taken:
            return
        try:
            outputs = predictor.predict(np.concatenate([crops for crops, _ in taken]))
        except Exception as error:  # noqa: BLE001 - raised again in every thread that waits for it
            for _, future in taken:
                future.set_exception(error)
            return
        start = 0
        for crops, future in taken:
            end = start + len(crops)
            future.set_result({head: rows[start:end] for head, rows in outputs.items()})
            start = end
        with self._list_lock:
            self.calls, self.crops = self.calls + 1, self.crops + start

    def _take(self) -> list[tuple[Array, Future[Any]]]:
        with self._list_lock:
            count, crops = 0, 0
            for one, _ in self._waiting:
                if count and crops + len(one) > _MOST_CROPS:
                    break
                count, crops = count + 1, crops + len(one)
            taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken


class ModelRegistry:
    """Names -> models, and the detectors that can be built here.

    Attributes:
        detectors: their names, the default one first.
    """

    def __init__(self, settings: Settings) -> None:
        """Looks which models are here.

        Raises:
            CheckpointError, InputError: the model or the detector that is to be used cannot be.
        """
        self.entries: dict[str, Entry] = _find_entries(settings)
        self.default: str = (
            settings.model if settings.model_path is None else _name(describe(settings.model_path))
        )
        self.default_detector: str = choose_detector(settings.detector, [self.entries[self.default].config])
        self._calls = min(settings.workers, usable_cores())
        self._predictors: dict[str, SharedPredictor] = {}
        self._lock = threading.Lock()
        crop_for(self.predictor(self.default).checkpoint, build_detector(self.default_detector))
        here = [name for name in detector_names() if _is_here(name)]
        self.detectors: tuple[str, ...] = tuple(sorted(here, key=lambda name: name != self.default_detector))

    @property
    def loaded(self) -> Mapping[str, SharedPredictor]:
        """The models that were asked for until now."""
        return dict(self._predictors)

    def predictor(self, name: str) -> SharedPredictor:
        """The network of that name. Raises CheckpointError when there is none, or it is damaged."""
        entry = self.entries.get(name)
        if entry is None:
            raise CheckpointError(f"no model '{name}'; there are {', '.join(self.entries)}")
        if name in self._predictors:
            # Without the lock: loading another one takes a while.
            return self._predictors[name]
        with self._lock:
            if name not in self._predictors:
                log.info("loading the model '%s'", name)
                checkpoint = load_checkpoint(entry.folder)
                copies = [Predictor(checkpoint, 1) for _ in range(self._calls)]
                self._predictors[name] = SharedPredictor(copies)
            return self._predictors[name]

    def may_refine(self, detector: str, models: Sequence[str]) -> bool:
        """See `detect.registry.may_refine`. Raises InputError when no such detector is here."""
        if detector not in self.detectors:
            raise InputError(f"no detector '{detector}'; there are {', '.join(self.detectors)}")
        known = [self.entries[name].config for name in models if name in self.entries]
        return may_refine(detector, known)

    def build_detector(self, name: str, models: Sequence[str]) -> Detector:
        """A new detector, for one thread. Raises InputError when there is none of that name here.

        `models`: those that read what it finds.
        """
        refine = self.may_refine(name, models)
        # Many are at work at once.
        return build_detector(name, threads=1, refine=refine)


def _is_here(detector: str) -> bool:
    """Can it be built? What another package brings may be broken: the rest is served all the same."""
    try:
        return has_weights(find_entry(detector))
    except InputError as error:
        log.warning("left out: %s", error)
        return False


def _find_entries(settings: Settings) -> dict[str, Entry]:
    """The default model first, then the shipped ones, then the user's."""
    found: dict[str, Entry] = {}
    if settings.model_path is not None:
        given = describe(settings.model_path)
        if given.problem is not None:
            raise CheckpointError(given.problem)
        found[_name(given)] = given
    here = list_models()
    for entry in here:
        if entry.problem is not None:
            log.warning("left out: %s", entry.problem)
    usable = [entry for entry in here if entry.runs]
    for entry in sorted(usable, key=lambda entry: (_name(entry) != settings.model, not entry.shipped)):
        found.setdefault(_name(entry), entry)
    if settings.model_path is None and settings.model not in found:
        raise CheckpointError(
            f"no model '{settings.model}' that runs; 'facecli models list' says which are here"
        )
    return found


def _name(entry: Entry) -> str:
    """What clients call it: shipped ones as `--model-type` does, others by their folder."""
    return _SHORT.get(entry.name, entry.name)
