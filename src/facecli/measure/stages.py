"""The steps of a frame, each for itself and together; how long a command takes to start; a chart of it."""

import datetime
import functools
import importlib.metadata
import itertools
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from facecli import __version__
from facecli.core.arrays import Array
from facecli.core.errors import FacecliError, OutputError, SourceError
from facecli.core.faces import Face
from facecli.core.images import save_image
from facecli.core.paths import replacing
from facecli.draw.annotate import annotate
from facecli.infer.analyzer import Analyzer, read_out
from facecli.pipeline.stream import run_live
from facecli.sinks.base import Quit, Record
from facecli.sinks.video import VideoFileSink
from facecli.sources.video import open_source

RESOLUTIONS = {"480p": (640, 480), "720p": (1280, 720), "1080p": (1920, 1080)}
"""Name -> (width, height) in pixels."""
MOST_FACES = 8
_OVERSAMPLING = 4
_SKINS = ((205, 160, 130), (235, 195, 170), (150, 105, 80), (190, 140, 105))
_HAIR, _IRIS, _WHITE, _LIP = (50, 35, 30), (40, 25, 20), (240, 240, 240), (150, 70, 70)
_WALL = (90, 110, 120)
_COLOURS = {"decode": "#777777", "detect": "#0072B2", "predict": "#D55E00", "annotate": "#009E73"}
"""Okabe and Ito's (2008), which colour-blind people can tell apart."""


class Ellipse(NamedTuple):
    """Part of a face: centre and half axes in shares of its side, what it is filled with, and its arc.

    Attributes:
        colour: RGB, or the brightness of the skin as a factor.
        start, end: degrees; of an arc that is drawn as a line of that `line` width.
    """

    x: float
    y: float
    half_width: float
    half_height: float
    colour: tuple[int, int, int] | float
    start: int = 0
    end: int = 360
    line: float = 0.0


def _pair(x: float, *rest: Any) -> tuple[Ellipse, Ellipse]:
    """Left and right of the middle."""
    return Ellipse(x, *rest), Ellipse(1 - x, *rest)


_FACE = (
    Ellipse(0.5, 0.45, 0.37, 0.45, _HAIR),
    Ellipse(0.5, 0.52, 0.31, 0.40, 1.0),
    Ellipse(0.5, 0.25, 0.26, 0.13, 1.0),
    *_pair(0.37, 0.45, 0.095, 0.055, 0.72),
    *_pair(0.37, 0.455, 0.065, 0.03, _WHITE),
    *_pair(0.37, 0.455, 0.03, 0.03, _IRIS),
    *_pair(0.37, 0.40, 0.09, 0.035, 0.25, 190, 350, 0.028),
    Ellipse(0.5, 0.52, 0.03, 0.12, 1.12),
    Ellipse(0.5, 0.635, 0.06, 0.02, 0.72),
    *_pair(0.36, 0.62, 0.07, 0.06, 1.12),
    Ellipse(0.5, 0.745, 0.11, 0.03, _LIP),
    Ellipse(0.5, 0.745, 0.10, 0.006, 0.25),
    Ellipse(0.5, 0.84, 0.08, 0.02, 1.12),
)
"""From back to front. Dark eyes under a bright forehead and cheeks are what Haar's features ask for."""


def draw_face(side: int, skin: tuple[int, int, int] = _SKINS[0]) -> Array:
    """A frontal face on a plain ground, (side, side, 3) uint8 RGB."""
    size = side * _OVERSAMPLING
    canvas = np.full((size, size, 3), _WALL, np.uint8)
    for part in _FACE:
        colour = _filling(part.colour, skin)
        centre = int(part.x * size), int(part.y * size)
        axes = int(part.half_width * size), int(part.half_height * size)
        line = max(1, int(part.line * size)) if part.line else cv2.FILLED
        cv2.ellipse(canvas, centre, axes, 0, part.start, part.end, colour, line, cv2.LINE_AA)
    soft = cv2.GaussianBlur(canvas, (0, 0), 0.012 * size)
    return cv2.resize(soft, (side, side), interpolation=cv2.INTER_AREA)


def _filling(colour: tuple[int, int, int] | float, skin: tuple[int, int, int]) -> tuple[int, int, int]:
    """RGB of a part: its own, or the skin brighter or darker."""
    if isinstance(colour, tuple):
        return colour
    red, green, blue = (min(255, int(value * colour)) for value in skin)
    return red, green, blue


def iter_scene(resolution_wh: tuple[int, int], faces: int, frames: int) -> Iterator[Array]:
    """Frames in which faces of different skins sway, each (H, W, 3) uint8 RGB.

    Args:
        resolution_wh: width and height in pixels.
        faces: how many, 0 to MOST_FACES.
        frames: how many.
    """
    width, height = resolution_wh
    side = height // 3
    drawn = [draw_face(side, _SKINS[number % len(_SKINS)]) for number in range(faces)]
    wall = _wall(resolution_wh)
    sway = side // 16
    for index in range(frames):
        picture = wall.copy()
        for number, face in enumerate(drawn):
            column, row = number % 4, number // 4
            shift = round(sway * math.sin(index / 7 + number))
            left = round((column + 0.5) * width / 4 - side / 2) + shift
            top = round((row + 0.5) * height / 2 - side / 2) + sway // 2
            left = min(max(left, 0), width - side)
            picture[top : top + side, left : left + side] = face
        yield picture


def _wall(resolution_wh: tuple[int, int]) -> Array:
    """A plain wall with some grain, as a camera sees it; always the same."""
    width, height = resolution_wh
    grain = np.random.default_rng(1).normal(0, 3, (height, width, 1))
    return np.clip(np.array(_WALL) + grain, 0, 255).astype(np.uint8)


_PACKAGES = ("numpy", "opencv-python", "ai-edge-litert")

_PICTURE_WH = (640, 480)

FACE_COUNTS = (1, 2, 4, 8)
STEPS = ("decode", "detect", "predict", "annotate")
_FPS = 30.0

BuildAnalyze = Callable[[], Callable[[Array, float], list[Face]]]
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
        for number, picture in enumerate(iter_scene(resolution_wh, faces, frames)):
            sink.append(picture, number / _FPS)


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

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""

    def write(self, record: Record) -> None:
        """Raises Quit at the last frame."""
        self._left -= 1
        if self._left <= 0:
            raise Quit


def _step_by_step(analyzer: Analyzer, picture: Array, moments: list[float]) -> int:
    """Does what a frame takes, notes when each step was done, and returns the number of faces."""
    boxes, scores, landmarks, _ = analyzer.detector.detect(picture)
    moments.append(time.perf_counter())
    outputs = analyzer.predictor.predict(analyzer.cut(picture, boxes, landmarks))
    predictor = analyzer.predictor
    faces = read_out(boxes, scores, outputs, predictor.calibration, further=predictor.checkpoint.further)
    moments.append(time.perf_counter())
    annotate(picture, faces)
    moments.append(time.perf_counter())
    return len(faces)


def _end_to_end(clip: Path, analyze: Callable[[Array, float], list[Face]], frames: int) -> float:
    """Milliseconds a frame, the opening of the clip left out."""
    with open_source(str(clip)) as source:
        start = time.perf_counter()
        summary = run_live(source, analyze, [_Limit(frames)])
        return 1000 * (time.perf_counter() - start) / max(summary.frames, 1)


def check_chart_suffix(path: Path) -> None:
    """Raises OutputError when no chart of that kind can be written; needs matplotlib (the train lane)."""
    from matplotlib.figure import Figure

    formats = Figure().canvas.get_supported_filetypes()
    if path.suffix.lower().lstrip(".") not in formats:
        raise OutputError(f"{path} has no picture suffix; use .png or .svg")


def save_chart(path: Path, scenes: Sequence[Scene], title: str) -> None:
    """A stacked bar for each scene, and a mark for all of it together.

    Needs matplotlib. Raises OutputError when the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.6 + 0.7 * len(scenes)), dpi=120, layout="constrained")
    axes = figure.subplots()
    names = [f"{scene.name}\n{round(scene.faces, 1):g} faces" for scene in scenes]
    left = [0.0] * len(scenes)
    for step in STEPS:
        widths = [scene.steps[step].median_ms for scene in scenes]
        axes.barh(names, widths, left=left, height=0.55, color=_COLOURS[step], label=step)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    together = [scene.end_to_end_ms for scene in scenes]
    axes.plot(together, names, "kD", markersize=7, label="together, threaded, with tracks")
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(*left, *together))
    axes.set_xlabel("milliseconds a frame (medians)")
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#e6e6e6")
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=len(STEPS) + 1, frameon=False, fontsize=9)
    with replacing(path) as temporary:
        figure.savefig(temporary)
