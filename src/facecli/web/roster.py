"""Which models and detectors a server offers, loaded when they are first asked for."""

import logging
import threading
from collections.abc import Mapping

from facecli.errors import CheckpointError, InputError
from facecli.models.catalogue import Entry, describe, list_models
from facecli.models.checkpoint import load_checkpoint
from facecli.recipes import MODEL_FOLDERS
from facecli.vision.detect import DETECTORS, Detector, build_detector
from facecli.vision.predict import Predictor
from facecli.vision.yunet import YunetDetector
from facecli.web.settings import Settings, usable_cores
from facecli.web.shared_predictor import SharedPredictor

log = logging.getLogger(__name__)
_SHORT = {folder: model_type for model_type, folder in MODEL_FOLDERS.items()}


class Roster:
    """Names -> models, and the detectors that can be built here."""

    def __init__(self, settings: Settings) -> None:
        """Looks which models are here.

        Raises:
            CheckpointError, InputError: the model or the detector that is to be used cannot be.
        """
        self.default_detector = settings.detector
        self.entries: dict[str, Entry] = _find_entries(settings)
        self.default = settings.model if settings.model_path is None else _name(describe(settings.model_path))
        self._calls = min(settings.workers, usable_cores())
        self._predictors: dict[str, SharedPredictor] = {}
        self._lock = threading.Lock()
        self._yunet = settings.yunet_weights
        self.predictor(self.default).checkpoint.crop_of(self.default_detector)
        build_detector(self.default_detector, None, self._yunet)

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the detectors that can be built here, the default one first."""
        here = [name for name in DETECTORS if name != YunetDetector.name or self._yunet is not None]
        return tuple(sorted(here, key=lambda name: name != self.default_detector))

    @property
    def loaded(self) -> Mapping[str, SharedPredictor]:
        """The models that were asked for until now."""
        return dict(self._predictors)

    def predictor(self, name: str) -> SharedPredictor:
        """The network of that name. Raises CheckpointError when there is none, or it is damaged."""
        entry = self.entries.get(name)
        if entry is None:
            raise CheckpointError(f"no model '{name}'; there are {', '.join(self.entries)}")
        with self._lock:
            if name not in self._predictors:
                log.info("loading the model '%s'", name)
                checkpoint = load_checkpoint(entry.folder)
                copies = [Predictor(checkpoint, 1) for _ in range(self._calls)]
                self._predictors[name] = SharedPredictor(copies)
            return self._predictors[name]

    def build_detector(self, name: str) -> Detector:
        """A new detector, for one thread. Raises InputError when there is none of that name here."""
        if name not in self.detectors:
            raise InputError(f"no detector '{name}'; there are {', '.join(self.detectors)}")
        return build_detector(name, None, self._yunet)


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
