"""How evenly a live window draws, and how old the labels in it are.

    xvfb-run -s "-screen 0 1400x900x24" python benchmarks/live_intervals.py CLIP [--seconds 60]

The clip is scaled to 1280x720 and played as a camera of 30 frames a second that waits for nobody.
The window is a real one; the analysis is that of `facecli run --video`. Interval: between two
moments at which a new frame is shown. Age of a label: at each drawn frame that shows a face, the
time since the analysed frame that its labels come from was taken.
"""

import argparse
import datetime
import os
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from facecli.core.paths import find_model
from facecli.detect.registry import build_detector
from facecli.infer.analyzer import Analyzer
from facecli.live.analyzer import LiveAnalyzer
from facecli.models.checkpoint import load_checkpoint
from facecli.models.litert import Predictor
from facecli.pipeline.stream import run_live
from facecli.sources.frames import STALL_S, Frame
from facecli.sources.video import open_source
from facecli.window.screen import Controls, Screen
from facecli.window.view import LiveView

WIDTH, HEIGHT, FPS = 1280, 720, 30.0
WARM_S = 2.0
LATE_MS, LATEST_MS, OLDEST_S = 50, 200, 0.5
COLUMNS = (
    *("clip", "faces drawn", "frames/s", "under 50 ms", "99th percentile", "longest", "analyses/s"),
    *("label's age, median", "oldest"),
)


class Camera:
    """Plays pictures at their rate, again and again; who comes late has missed some."""

    name = given = "camera"
    fps, live, stall_s, promised, broken = FPS, True, STALL_S, 0, 0

    def __init__(self, clip: Path, seconds: float) -> None:
        with open_source(str(clip)) as source:
            self._pictures = [cv2.resize(frame.image_rgb, (WIDTH, HEIGHT)) for frame in source]
        self._seconds = seconds

    def __iter__(self) -> Iterator[Frame]:
        begun, last = time.monotonic(), -1
        while (now := time.monotonic() - begun) < self._seconds:
            index = int(now * FPS)
            if index == last:
                time.sleep((index + 1) / FPS - now)
                continue
            last = index
            yield Frame(index, now, self._pictures[index % len(self._pictures)].copy())


class Watched:
    """A view that notes when it drew what."""

    def __init__(self, view: LiveView) -> None:
        self._view = view
        self._image: np.ndarray | None = None
        self.moments: list[float] = []
        self.faces: list[int] = []

    @property
    def paused(self) -> bool:
        return self._view.paused

    def show(self, image_rgb: np.ndarray, faces, stats) -> None:
        self._view.show(image_rgb, faces, stats)
        if image_rgb is not self._image:
            self._image = image_rgb
            self.moments.append(time.monotonic())
            self.faces.append(len(faces))


def measure(clip: Path, seconds: float, detector: str, weights: Path | None) -> dict[str, float]:
    """Plays the clip in a window. Raises OutputError without a display."""
    analyzer = Analyzer(
        build_detector(detector, None, weights), Predictor(load_checkpoint(find_model("facenet_model")))
    )
    live = LiveAnalyzer(analyzer)
    done: list[tuple[float, float]] = []

    def analyze(image_rgb: np.ndarray, time_s: float):
        taken_s = time.monotonic()
        found = live.analyze(image_rgb, time_s)
        done.append((time.monotonic(), taken_s))
        return found

    with LiveView(Screen("facecli"), source="camera", fps=FPS, controls=Controls(mirror=True)) as view:
        watched = Watched(view)
        run_live(Camera(clip, seconds), analyze, [], watched)
    moments, faces = np.array(watched.moments), np.array(watched.faces)
    warm = moments[1:] > moments[0] + WARM_S
    intervals_ms = 1000 * np.diff(moments)[warm]
    ends, starts = np.array(done).T
    newest = np.searchsorted(ends, moments[1:]) - 1
    ages_s = (moments[1:] - starts[newest])[warm & (faces[1:] > 0)]
    return {
        "drawn": len(intervals_ms),
        "fps": 1000 / intervals_ms.mean(),
        "under": (intervals_ms < LATE_MS).mean(),
        "p99": np.percentile(intervals_ms, 99),
        "longest": intervals_ms.max(),
        "faces": faces.mean(),
        "analysed": len(done) / seconds,
        "age_median": np.median(ages_s),
        "age_longest": ages_s.max(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--detector", default="cnn", choices=["cnn", "haar", "yunet"])
    parser.add_argument("--detector-weights", type=Path)
    arguments = parser.parse_args()
    print(f"{datetime.date.today()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before,")
    print(f"{WIDTH}x{HEIGHT} at {FPS:.0f} frames/s in a window, {arguments.seconds:.0f} s each,")
    print(f"detector {arguments.detector}. Asked after the first {WARM_S:.0f} s: 99 % under {LATE_MS} ms,")
    print(f"none over {LATEST_MS} ms, labels at most {OLDEST_S} s old.\n")
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    for clip in arguments.clips:
        m = measure(clip, arguments.seconds, arguments.detector, arguments.detector_weights)
        print(
            f"| {clip.name} | {m['faces']:.1f} | {m['fps']:.1f} | {m['under']:.2%} | {m['p99']:.1f} ms | "
            f"{m['longest']:.0f} ms | {m['analysed']:.1f} | {1000 * m['age_median']:.0f} ms | "
            f"{1000 * m['age_longest']:.0f} ms |",
            flush=True,
        )


if __name__ == "__main__":
    main()
