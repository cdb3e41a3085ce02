"""`facecli run --video` on a file: frames a second, the first labelled frame, memory.

    python benchmarks/live_speed.py ../shared/clips/scene_cuts.mp4 --output benchmarks/live_speed.md

Every facecli row is a command in a fresh process. The ancestor's way, measured in turns with it on
the same clip: for every frame, the cascade's XML read anew, `haarcascade_frontalface_alt2.xml` at
1.05/5 on the whole frame, one Keras `predict` a face. Its start-up is left out, facecli's is not.
Memory: the resident set of one process over a clip that is the given one again and again.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from facecli.core.paths import find_cascade, find_model
from facecli.sources.video import open_source

EARLY, LATE = 2_000, 20_000
OPTIONS = ["--no-show", "--json"]


def command(clip: Path, rows: str) -> list[str]:
    return [sys.executable, "-m", "facecli", "run", "--video", str(clip), *OPTIONS, rows]


class Ancestor:
    """One call a frame, nothing kept between frames but the Keras model."""

    def __init__(self, model: str) -> None:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
        import keras

        self._keras = keras.saving.load_model(find_model(model) / "model.keras", compile=False)
        self._side = self._keras.input_shape[1]
        self._predict(np.zeros((self._side, self._side, 3), np.uint8))

    def frame(self, image_rgb: np.ndarray) -> int:
        """Number of faces."""
        cascade = cv2.CascadeClassifier(str(find_cascade()))
        boxes = cascade.detectMultiScale(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY), 1.05, 5)
        for x, y, width, height in boxes:
            self._predict(cv2.resize(image_rgb[y : y + height, x : x + width], (self._side, self._side)))
        return len(boxes)

    def _predict(self, crop: np.ndarray) -> None:
        self._keras.predict(crop[None].astype(np.float32), verbose=0)


def run_command(clip: Path) -> float:
    """Wall seconds of the whole command, rows thrown away."""
    start = time.perf_counter()
    subprocess.run(command(clip, os.devnull), check=True, capture_output=True)
    return time.perf_counter() - start


def first_label(clip: Path) -> float:
    """Seconds from the command to the first row with a face."""
    start = time.perf_counter()
    with subprocess.Popen(command(clip, "-"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        for line in process.stdout:
            if json.loads(line)["faces"]:
                seconds = time.perf_counter() - start
                process.kill()
                return seconds
    raise SystemExit(f"no face in {clip}")


def compare(clip: Path, model: str, repeats: int, step: int) -> list[str]:
    """Rows: facecli whole, the ancestor on every `step`-th frame, in turns."""
    with open_source(str(clip)) as source:
        frames = [frame.image_rgb for frame in source]
    ancestor = Ancestor(model)
    ours, theirs, firsts = [], [], []
    run_command(clip)
    for repeat in range(repeats):
        ours.append(run_command(clip) / len(frames))
        firsts.append(first_label(clip))
        shown = frames[repeat % step :: step]
        start = time.perf_counter()
        for image_rgb in shown:
            ancestor.frame(image_rgb)
        theirs.append((time.perf_counter() - start) / len(shown))
    mine, other = statistics.median(ours), statistics.median(theirs)
    return [
        "| what | median | lowest | highest | asked |",
        "|---|---|---|---|---|",
        row("facecli, command and all", [1 / value for value in ours], "frames/s", "60"),
        row("the ancestor's way", [1 / value for value in theirs], "frames/s"),
        f"| ratio | {other / mine:.1f} | | | 8 |",
        row("first row with a face", firsts, "s", "at most 1.5"),
    ]


def row(what: str, values: list[float], unit: str, asked: str = "") -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"| {what} | {middle:.2f} {unit} | {low:.2f} | {high:.2f} | {asked} |"


def write_long(clip: Path, long: Path, frames: int) -> None:
    """The clip again and again, until it has so many frames."""
    with open_source(str(clip)) as source:
        pictures = [cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2BGR) for frame in source]
        height, width = pictures[0].shape[:2]
        writer = cv2.VideoWriter(str(long), cv2.VideoWriter_fourcc(*"mp4v"), source.fps, (width, height))
    for number in range(frames):
        writer.write(pictures[number % len(pictures)])
    writer.release()


def soak(clip: Path) -> list[str]:
    """Resident memory at an early frame, at a late one, and at its peak."""
    with tempfile.TemporaryDirectory() as folder:
        long = Path(folder) / "long.mp4"
        write_long(clip, long, LATE + 200)
        sizes: dict[int, float] = {}
        start = time.perf_counter()
        with subprocess.Popen(
            command(long, "-"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            for number, _ in enumerate(process.stdout, start=1):
                if number in (EARLY, LATE):
                    sizes[number] = memory_mb(process.pid, "VmRSS")
                    peak = memory_mb(process.pid, "VmHWM")
        seconds = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(f"the long clip ended with {process.returncode}")
    grown = sizes[LATE] - sizes[EARLY]
    return [
        "",
        "| memory of one process (MB) | | asked |",
        "|---|---|---|",
        f"| frame {EARLY:,} | {sizes[EARLY]:.1f} | |",
        f"| frame {LATE:,} | {sizes[LATE]:.1f} | |",
        f"| growth | {grown:+.1f} | less than 5 |",
        f"| peak | {peak:.1f} | at most 300 |",
        f"| frames/s over {LATE + 200:,} frames | {(LATE + 200) / seconds:.0f} | |",
    ]


def memory_mb(pid: int, field: str) -> float:
    """A line of /proc/PID/status, in MB of 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit(f"no {field} of {pid}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--model", default="facenet_model")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--step", type=int, default=5, help="the ancestor sees every so many frames")
    parser.add_argument("--no-soak", action="store_true", help="leave the memory out: it takes minutes")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    lines = compare(arguments.clip, arguments.model, arguments.repeats, arguments.step)
    if not arguments.no_soak:
        lines += soak(arguments.clip)
    machine = f"{platform.machine()}, {os.cpu_count()} cores (load {load:.1f} before)"
    title = f"# Speed and memory of `facecli run --video {arguments.clip.name} --no-show --json`"
    said = (
        f"`python benchmarks/live_speed.py`, {datetime.date.today()}, {machine}, {arguments.model}; "
        f"{arguments.repeats} rounds in turns."
    )
    report = "\n".join([title, "", said, "", *lines, ""])
    print(report)
    if arguments.output:
        arguments.output.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
