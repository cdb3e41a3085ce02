"""The LiteRT file of a model's folder, opened and read: how the run lane computes. No TensorFlow.

`LiteRtNetwork` is any such network, `Predictor` one that reads faces: all crops of a frame in one call.

A damaged file can end the process that opens it: what neither ships with facecli nor was made
here is tried first in a process of its own, and the answer is kept by digest.
"""

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from facecli.core.arrays import Array
from facecli.core.attributes import CLASS_NAMES, HEAD_CLASSES
from facecli.core.errors import CheckpointError
from facecli.core.paths import cache_dir, shipped_places
from facecli.core.process import check_address_space, isolated_python, quiet_stderr
from facecli.models.checkpoint import LITERT_FILE, Checkpoint, file_sha256
from facecli.models.readout import Calibration, fold_heads, load_calibration, stored_heads

SIGNATURE = "serve"
"""What computes in such a file."""
TRIAL_S = 60
TRIAL_BYTES = 4 << 30
"""Address space of a trial: what asks for more is no network of facecli."""
_TRIAL = "import facecli.models.litert as litert; sys.exit(litert.run_trial())"
"""What a child does with the file that is its argument."""
_FREE_SIDE = 64
"""In place of a side that may be any, in a trial."""
_MOST_THREADS = 4
_INPUT = "image"
_ROUNDED = 0.02
"""How far from 1 probabilities may sum up to: int8 weights and float16 leave them exact to some digits."""

log: logging.Logger = logging.getLogger(__name__)


class LiteRtNetwork:
    """The signature of a LiteRT file. For one thread at a time."""

    def __init__(self, path: Path, runner: Any) -> None:
        self._path = path
        self._runner = runner
        self.inputs: dict[str, dict[str, Any]] = runner.get_input_details()
        self.outputs: dict[str, dict[str, Any]] = runner.get_output_details()

    def __call__(self, image: Array) -> dict[str, Array]:
        """Output -> array, for uint8 RGB pictures (n, h, w, 3).

        Raises CheckpointError when numbers that come out are not finite: the file is damaged.
        """
        found = self._runner(image=np.ascontiguousarray(image))
        for name, values in found.items():
            if not np.isfinite(values).all():
                raise CheckpointError(
                    f"{self._path}: output '{name}' gives no finite numbers; get the model folder again"
                )
        return found


def open_network(checkpoint: Checkpoint, num_threads: int | None = None) -> LiteRtNetwork:
    """The network of a folder's LiteRT file.

    Args:
        checkpoint: its file's digest is checked before it is parsed.
        num_threads: threads of the XNNPACK kernels; None takes the cores, at most 4.

    Raises:
        CheckpointError: the file is missing, changed, or no LiteRT model.
        FacecliError: the address space is too limited, see `core.process.check_address_space`.
    """
    path = checkpoint.verified(LITERT_FILE)
    threads = num_threads or min(_MOST_THREADS, os.cpu_count() or 1)
    check_address_space(threads)
    if not _ships(path):
        _try_out(path, checkpoint.digest_of(LITERT_FILE))
    with _told(path), quiet_stderr():
        runner = _runner(path, threads)
    return LiteRtNetwork(path, runner)


def vouch_for(path: Path) -> None:
    """Keeps that a file was made here: it is opened without a trial."""
    _keep(file_sha256(path))


def _runner(path: Path, threads: int) -> Any:
    # Not above: what makes such files need not read them.
    from ai_edge_litert.interpreter import Interpreter

    # From memory: odd paths do not matter.
    interpreter = Interpreter(model_content=path.read_bytes(), num_threads=threads)
    return interpreter.get_signature_runner(SIGNATURE)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is not a LiteRT model of facecli ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _ships(path: Path) -> bool:
    places = [place.resolve() for place in shipped_places("saved_model")]
    return any(path.resolve().is_relative_to(place) for place in places)


def _kept(digest: str) -> Path:
    """The empty file that says that a digest was tried; another interpreter may bear less."""
    # Not above: what ships is never asked for, and starts sooner.
    from importlib.metadata import version

    return cache_dir() / "tried" / f"{digest}-litert{version('ai-edge-litert')}"


def _keep(digest: str) -> None:
    kept = _kept(digest)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.touch()
    except OSError as error:
        log.debug("%s: %s", kept, error)


def _try_out(path: Path, digest: str) -> None:
    """Raises CheckpointError when the file ends the process that opens it, or one that runs it."""
    if _kept(digest).exists():
        return
    log.info("trying %s in a process of its own, once", path)
    command = [*isolated_python(_TRIAL), str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TRIAL_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise CheckpointError(
            f"{path} did not compute within {TRIAL_S} seconds; get the model folder again"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be tried: {error.strerror or error}") from error
    if done.returncode not in (0, 1):
        raise CheckpointError(
            f"{path} crashes the process that opens it (status {done.returncode}): it is damaged; "
            "fetch the folder anew"
        )
    if done.returncode:
        lines = done.stdout.decode(errors="replace").splitlines() or ["no reason given"]
        raise CheckpointError(f"{path} is not a LiteRT model of facecli ({lines[-1]})")
    _keep(digest)


def _compute(path: Path) -> None:
    """Opens the file and computes with black and with noisy pictures, one and some."""
    runner = _runner(path, 2)
    noise = np.random.default_rng(0)
    for count in (1, 3):
        shapes = {
            name: [count, *(side if side > 0 else _FREE_SIDE for side in details["shape_signature"][1:])]
            for name, details in runner.get_input_details().items()
        }
        kinds: list[Callable[[list[int]], Array]] = [
            lambda shape: np.zeros(shape, np.uint8),
            lambda shape: noise.integers(0, 256, shape, np.uint8),
        ]
        for make in kinds:
            runner(**{name: make(shape) for name, shape in shapes.items()})


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        # Windows: the time limit holds there, too.
        return
    resource.setrlimit(resource.RLIMIT_AS, (TRIAL_BYTES, TRIAL_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run_trial() -> int:
    """In the child: exit status 0 when the file computes, else 1 with a reason on standard output."""
    _limit_memory()
    try:
        _compute(Path(sys.argv[1]))
    except (ValueError, RuntimeError, TypeError, OSError, MemoryError) as error:
        sys.stdout.write(f"{_first_line(error)}\n")
        return 1
    return 0


class Predictor:
    """The network of one checkpoint, loaded and checked once."""

    def __init__(self, checkpoint: Checkpoint, num_threads: int | None = None) -> None:
        """Loads `model.tflite`.

        Args:
            checkpoint: model folder; the file's digest is checked before it is parsed.
            num_threads: threads of the XNNPACK kernels; None takes the cores, at most 4.

        Raises:
            CheckpointError: the file is missing, changed, no LiteRT model, or its input and
                outputs are not those that `config.json` describes, or its calibration is damaged.
        """
        self.checkpoint = checkpoint
        self.heads: tuple[str, ...] = checkpoint.heads
        self.image_size: tuple[int, int] = checkpoint.image_size
        self.calibration: Calibration = load_calibration(checkpoint)
        path = checkpoint.folder / LITERT_FILE
        _check_labels(checkpoint)
        self._network = open_network(checkpoint, num_threads)
        self._check_input(path)
        self._check_outputs(path)

    def predict(self, crops: Array) -> dict[str, Array]:
        """Probabilities of every head, class heads calibrated (`Calibration.apply`).

        Args:
            crops: (n, height, width, 3) uint8 RGB, of the checkpoint's image size; n may be 0.

        Returns:
            Head -> (n, classes) float32, rows sum to 1; (0, classes) without crops.

        Raises:
            ValueError: crops of another shape or type.
        """
        return self.calibration.apply(self.predict_raw(crops))

    def predict_raw(self, crops: Array) -> dict[str, Array]:
        """Like `predict`, as the network itself says it; heads of which it has a finer one are folded."""
        expected = (*self.image_size, 3)
        if crops.shape[1:] != expected or crops.dtype != np.uint8:
            raise ValueError(f"crops are {crops.shape} {crops.dtype}, not (n, {expected}) uint8")
        if len(crops) == 0:
            counts = {head: self.checkpoint.class_count(head) for head in self.heads}
            return {head: np.empty((0, count), np.float32) for head, count in counts.items()}
        return fold_heads(self._run(crops), self.heads)

    def _run(self, crops: Array) -> dict[str, Array]:
        return self._network(crops)

    def _check_input(self, path: Path) -> None:
        inputs = self._network.inputs
        if list(inputs) != [_INPUT]:
            raise CheckpointError(f"{path} has inputs {sorted(inputs)}, not '{_INPUT}': not a facecli model")
        shape = [int(size) for size in inputs[_INPUT]["shape_signature"]]
        expected = [-1, *self.image_size, 3]
        if shape != expected or inputs[_INPUT]["dtype"] != np.uint8:
            raise CheckpointError(
                f"{path} takes {shape} {np.dtype(inputs[_INPUT]['dtype'])}, but config.json says "
                f"{expected} uint8; get the model folder again"
            )

    def _check_outputs(self, path: Path) -> None:
        """Runs one empty picture: only then are all output shapes known."""
        stored = stored_heads(self.heads)
        if missing := set(stored) - set(self._network.outputs):
            raise CheckpointError(f"{path} lacks the heads {sorted(missing)} that config.json names")
        try:
            with quiet_stderr():
                outputs = self._run(np.zeros((1, *self.image_size, 3), np.uint8))
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(f"{path} cannot be run ({_first_line(error)})") from error
        for head in stored:
            count = self.checkpoint.class_count(head)
            if outputs[head].shape != (1, count):
                raise CheckpointError(
                    f"{path}: head '{head}' gives {outputs[head].shape[1:]} classes, not "
                    f"{count}; it is another kind of model"
                )
            if outputs[head].min() < 0 or abs(outputs[head].sum() - 1) > _ROUNDED:
                raise CheckpointError(
                    f"{path}: head '{head}' gives no probabilities; get the model folder again"
                )


def _check_labels(checkpoint: Checkpoint) -> None:
    """Raises CheckpointError when the classes have other names or another order than here."""
    labels = checkpoint.config["labels"]
    for head in (head for head in checkpoint.heads if head in HEAD_CLASSES):
        known = list(CLASS_NAMES.get(head, map(str, range(HEAD_CLASSES[head]))))
        found = labels.get(head) if isinstance(labels, dict) else None
        if found != known:
            raise CheckpointError(
                f"{checkpoint.folder}/config.json: the classes of '{head}' are not those of this facecli"
            )
