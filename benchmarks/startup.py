"""How long facecli takes to start, beside `import tensorflow`, and how much memory a run takes.

    python benchmarks/startup.py --repeats 5 --output benchmarks/startup.md

Every command runs in a fresh process, in turns (so that a slow spell hits all alike);
the times are medians of wall time, the memory is the largest peak of its process.
The ratios, not the seconds, are what the project promises.
"""

import argparse
import datetime
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "out" / "astronaut.png"  # made by `make run`
HELP_LIMIT = 0.10
RUN_LIMIT = 1 / 3
MEMORY_LIMIT_MB = 350
PACKAGES = ("tensorflow", "ai-edge-litert", "opencv-python", "numpy", "click")


class Measured(NamedTuple):
    """Of one command: median seconds and peak resident memory in MB (10^6 bytes)."""

    seconds: float
    peak_mb: float


def commands(model_type: str, picture: Path) -> dict[str, list[str]]:
    """Title -> command line; the first is the yardstick."""
    facecli = [sys.executable, "-m", "facecli"]
    options = ["run", "--img", str(picture), "--no-show", "--model-type", model_type]
    return {
        'python -c "import tensorflow"': [sys.executable, "-c", "import tensorflow"],
        "facecli --help": [*facecli, "--help"],
        f"facecli run --img {picture.name} --no-show --model-type {model_type}": [*facecli, *options],
    }


def measure_once(command: list[str]) -> Measured:
    """Runs a command to its end in a folder of its own. Raises SystemExit when it fails."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        # wait4, unlike getrusage, gives the memory of this child alone.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{output.read().decode()}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(seconds, usage.ru_maxrss * unit / 1e6)


def measure(repeats: int, model_type: str, picture: Path) -> dict[str, Measured]:
    """Medians over `repeats` rounds, after one round that warms the file cache."""
    wanted = commands(model_type, picture)
    rounds = [{title: measure_once(command) for title, command in wanted.items()} for _ in range(repeats + 1)]
    return {
        title: Measured(
            statistics.median(done[title].seconds for done in rounds[1:]),
            max(done[title].peak_mb for done in rounds[1:]),
        )
        for title in wanted
    }


def table(measured: dict[str, Measured]) -> list[str]:
    """Lines of a Markdown table; shares are of the first row's time."""
    yardstick = next(iter(measured.values())).seconds
    limits = (None, HELP_LIMIT, RUN_LIMIT)
    lines = ["| command | median | share of the import | limit | peak memory |", "|---|---|---|---|---|"]
    for (title, row), limit in zip(measured.items(), limits, strict=True):
        promised = f"{limit:.0%}" if limit else ""
        lines.append(
            f"| `{title}` | {row.seconds:.2f} s | {row.seconds / yardstick:.1%} | {promised} "
            f"| {row.peak_mb:.0f} MB |"
        )
    return lines


def conditions(repeats: int) -> str:
    """One line: when, on what, with which versions."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores ({load})"
    python = f"Python {platform.python_version()}, {versions}"
    return f"{datetime.date.today()}, {machine}, {python}; median of {repeats} after a warm-up round."


def verdict(measured: dict[str, Measured]) -> tuple[bool, str]:
    """Whether every limit is kept, and a line that says so."""
    imported, shown, ran = measured.values()
    kept = (
        shown.seconds < HELP_LIMIT * imported.seconds
        and ran.seconds < RUN_LIMIT * imported.seconds
        and ran.peak_mb < MEMORY_LIMIT_MB
    )
    limits = (
        f"help under {HELP_LIMIT:.0%} and a run under {RUN_LIMIT:.0%} of the import, {MEMORY_LIMIT_MB} MB"
    )
    return kept, f"Limits ({limits}): {'kept' if kept else 'BROKEN'}."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model-type", default="facenet", choices=["facenet", "normal"])
    parser.add_argument("--img", type=Path, default=PICTURE)
    parser.add_argument("--output", type=Path, help="also write the report to this Markdown file")
    arguments = parser.parse_args()
    measured = measure(arguments.repeats, arguments.model_type, arguments.img.resolve())
    kept, line = verdict(measured)
    report = "\n".join(
        ["# Start-up time and memory", "", conditions(arguments.repeats), "", *table(measured), "", line, ""]
    )
    print(report)
    if arguments.output:
        arguments.output.write_text(report, encoding="utf-8")
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
