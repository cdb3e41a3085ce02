"""The steps of a frame, each for itself and all together; how long a command takes to start."""

import datetime
import functools
import importlib.metadata
import itertools
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facecli import __version__
from facecli.core.errors import FacecliError, SourceError
from facecli.core.faces import Face
from facecli.core.images import save_image
from facecli.draw.annotate import annotate
from facecli.infer.analyzer import Analyzer, read_out
from facecli.measure.scene import MOST_FACES, RESOLUTIONS, iter_scene
from facecli.pipeline.stream import run_live
from facecli.sinks.base import Quit, Record
from facecli.sinks.video import VideoFileSink
from facecli.sources.video import open_source

_PACKAGES = ("numpy", "opencv-python", "ai-edge-litert")

_PICTURE_WH = (640, 480)

FACE_COUNTS = (1, 2, 4, 8)
STEPS = ("decode", "detect", "predict", "annotate")
_FPS = 30.0

BuildAnalyze = Callable[[], Callable[[np.ndarray, float], list[Face]]]
"""Makes what `pipeline.stream.run_live` calls; a new one for each clip."""


class Timing(NamedTuple):
    """Milliseconds: the median, and the middle half of the repetitions."""

    median_ms: float
    low_ms: float
    high_ms: float

    def to_json(self) -> dict[str, float]:
        """Rounded to microseconds."""
        return {name: round(value, 3) for name, value in self._asdict().items()}


def timing_of(seconds: Sequence[float]) -> Timing:
    """Of at least one repetition."""
    milliseconds = sorted(1000 * value for value in seconds)
    low, _, high = statistics.quantiles(milliseconds, n=4) if len(milliseconds) > 1 else milliseconds * 3
    return Timing(statistics.median(milliseconds), low, high)


def measure_repeatedly(
    function: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> Timing:
    """Calls it once to warm up, then `repeats` times."""
    function()
    seconds = []
    for _ in range(repeats):
        start = clock()
        function()
        seconds.append(clock() - start)
    return timing_of(seconds)


def measurement_conditions() -> dict[str, Any]:
    """Machine and versions, as plain values."""
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "facecli": __version__,
        **{name: _version(name) for name in _PACKAGES},
    }


def _cpu() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        # OpenCV comes under several names.
        return None


def measure_startup(model_folder: Path, repeats: int) -> dict[str, Timing]:
    """Bare Python, `facecli --help`, and the faces of a first picture, model and all.

    Raises FacecliError when one of them fails.
    """
    with tempfile.TemporaryDirectory(prefix="facecli-") as folder:
        picture = Path(folder, "scene.png")
        save_image(picture, next(iter_scene(_PICTURE_WH, 1, 1)))
        facecli = [sys.executable, "-m", "facecli"]
        run = ["run", "--img", str(picture), "--no-show", "--model-path", str(model_folder.resolve())]
        commands = {
            "python": [sys.executable, "-c", "pass"],
            "facecli --help": [*facecli, "--help"],
            "first picture": [*facecli, *run],
        }
        return {
            name: measure_repeatedly(functools.partial(_call, command), repeats)
            for name, command in commands.items()
        }


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise FacecliError(f"{' '.join(command[1:4])} failed: {said}")


class Scene(NamedTuple):
    """What a clip takes, a frame.

    Attributes:
        name: "480p", or that of the clip.
        resolution_wh: pixels.
        faces: found in a frame, on average.
        steps: name of STEPS -> its time alone; `predict` is that of all faces of a frame.
        end_to_end_ms: of a frame when all of it runs together, in threads, with tracks.
    """

    name: str
    resolution_wh: tuple[int, int]
    faces: float
    steps: dict[str, Timing]
    end_to_end_ms: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "width": self.resolution_wh[0],
            "height": self.resolution_wh[1],
            "faces": round(self.faces, 2),
            **{f"{step}_ms": timing.to_json() for step, timing in self.steps.items()},
            "end_to_end_ms": round(self.end_to_end_ms, 3),
            "end_to_end_fps": round(1000 / self.end_to_end_ms, 1),
        }


def measure_predict(analyzer: Analyzer, repeats: int) -> dict[int, Timing]:
    """Number of faces -> time to cut them out and to read them, in one call of the network."""
    picture = next(iter_scene(RESOLUTIONS["720p"], MOST_FACES, 1))
    boxes = np.array([[100 + 20 * n, 100, 300 + 20 * n, 300] for n in range(MOST_FACES)], np.int32)

    def read(count: int) -> None:
        analyzer.predictor.predict(analyzer.cut(picture, boxes[:count]))

    return {count: measure_repeatedly(functools.partial(read, count), repeats) for count in FACE_COUNTS}


def write_scene(path: Path, resolution_wh: tuple[int, int], faces: int, frames: int) -> None:
    """A clip of the drawn scene. Raises OutputError when it cannot be written."""
    with VideoFileSink(path, _FPS) as sink:
        for picture in iter_scene(resolution_wh, faces, frames):
            sink.append(picture)


def measure_clip(
    name: str, clip: Path, analyzer: Analyzer, build_analyze: BuildAnalyze, frames: int
) -> Scene:
    """Measures the first frames of a clip, step by step, then all of it together.

    Raises SourceError when it cannot be read.
    """
    seconds: dict[str, list[float]] = {step: [] for step in STEPS}
    faces, resolution_wh = 0, (0, 0)
    with open_source(str(clip)) as source:
        start = time.perf_counter()
        for number, frame in enumerate(itertools.islice(source, frames + 1)):
            moments = [start, time.perf_counter()]
            found = _step_by_step(analyzer, frame.image_rgb, moments)
            # The first frame warms up: its times are not kept.
            if number:
                faces += found
                for step, (before, after) in zip(STEPS, itertools.pairwise(moments), strict=True):
                    seconds[step].append(after - before)
            resolution_wh = frame.image_rgb.shape[1], frame.image_rgb.shape[0]
            start = time.perf_counter()
    count = len(seconds["decode"])
    if not count:
        raise SourceError(f"{clip} has less than two frames; give a longer clip")
    steps = {step: timing_of(values) for step, values in seconds.items()}
    return Scene(name, resolution_wh, faces / count, steps, _end_to_end(clip, build_analyze(), count))


class _Limit:
    """A sink that has frames drawn, keeps nothing, and ends the run after so many."""

    wants_image = True

    def __init__(self, frames: int) -> None:
        self._left = frames

    def __enter__(self) -> "_Limit":
        return self

    def __exit__(self, *error) -> None:
        """Nothing is open."""

    def write(self, record: Record) -> None:
        """Raises Quit at the last frame."""
        self._left -= 1
        if self._left <= 0:
            raise Quit


def _step_by_step(analyzer: Analyzer, picture: np.ndarray, moments: list[float]) -> int:
    """Does what a frame takes, notes when each step was done, and returns the number of faces."""
    boxes, scores, landmarks = analyzer.detector.detect(picture)
    moments.append(time.perf_counter())
    outputs = analyzer.predictor.predict(analyzer.cut(picture, boxes, landmarks))
    faces = read_out(boxes, scores, outputs, analyzer.predictor.calibration)
    moments.append(time.perf_counter())
    annotate(picture, faces)
    moments.append(time.perf_counter())
    return len(faces)


def _end_to_end(clip: Path, analyze: Callable[[np.ndarray, float], list[Face]], frames: int) -> float:
    """Milliseconds a frame, the opening of the clip left out."""
    with open_source(str(clip)) as source:
        start = time.perf_counter()
        summary = run_live(source, analyze, [_Limit(frames)])
        return 1000 * (time.perf_counter() - start) / max(summary.frames, 1)
