"""How fast clips are read, and whole runs over them, beside OpenCV and beside an earlier checkout.

`python benchmarks/video_speed.py CLIP... [--before CHECKOUT]`, in one run on one machine: each way of reading
takes turns with the other, and so do the two checkouts; medians and ratios are printed.
"""

import argparse
import datetime
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2

from facecli.sources.video import open_source

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 7


def read_by_opencv(clip: Path) -> int:
    """Frames as RGB by `cv2.VideoCapture`, as facecli read them before."""
    capture, frames = cv2.VideoCapture(str(clip)), 0
    while (taken := capture.read())[0]:
        cv2.cvtColor(taken[1], cv2.COLOR_BGR2RGB)
        frames += 1
    return frames


def read_by_facecli(clip: Path) -> int:
    """Frames as RGB by `open_source`."""
    with open_source(str(clip)) as source:
        return sum(1 for _ in source)


def run_in(checkout: Path, clip: Path, target: Path) -> int:
    """`facecli run --video --no-show --json` of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    command = [
        sys.executable,
        "-m",
        "facecli",
        "run",
        "--video",
        str(clip.resolve()),
        "--no-show",
        "--json",
        str(target),
    ]
    # Not --overwrite, which older checkouts do not know.
    target.unlink(missing_ok=True)
    subprocess.run(command, check=True, capture_output=True, env=environment, cwd=target.parent)
    return len(target.read_text().splitlines())


def frames_per_s(ways: dict[str, Callable[[], int]]) -> dict[str, float]:
    """Name -> median of frames a second; the ways take turns."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.perf_counter()
            frames = way()
            rates[name].append(frames / (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in rates.items()}


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--before", type=Path, help="Another checkout, for whole runs.")
    given = parser.parse_args()
    print(
        f"{datetime.date.today()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {ROUNDS} rounds\n"
    )
    print("| clip | what | before, frames/s | now, frames/s | ratio |\n|---|---|---|---|---|")
    for clip in given.clips:
        ways = {
            "before": lambda clip=clip: read_by_opencv(clip),
            "now": lambda clip=clip: read_by_facecli(clip),
        }
        print_row(clip, "read (OpenCV, PyAV)", frames_per_s(ways))
        if given.before is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder, "rows.jsonl")
            runs = {
                "before": lambda clip=clip, target=target: run_in(given.before.resolve(), clip, target),
                "now": lambda clip=clip, target=target: run_in(ROOT, clip, target),
            }
            print_row(clip, "`run --video --no-show --json`", frames_per_s(runs))


def print_row(clip: Path, what: str, rates: dict[str, float]) -> None:
    """One row of the table."""
    before, now = rates["before"], rates["now"]
    print(f"| {clip.name} | {what} | {before:.1f} | {now:.1f} | {now / before:.2f} |", flush=True)


if __name__ == "__main__":
    main()
