"""What `facecli manifest` of a large bucket takes: time, memory, and what a kill in the middle costs.

    python benchmarks/manifest.py [--objects 200000]      writes benchmarks/manifest.md

The bucket is on moto's S3 server in a process of its own on this machine (tests/support/s3_server.py), filled
past the protocol and listed through it, a thousand keys a page. Memory is the peak resident size of the whole
`facecli manifest` process (`ru_maxrss` of `wait4`). For the last line a run is killed (SIGKILL) when it has
listed half, and gone on with; its manifest must be the same, byte for byte. Most time goes to the server: it
sorts all keys for each page.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from s3_server import SETTINGS, running_s3  # noqa: E402

LIMIT_MB = 250


@dataclass(frozen=True)
class Taken:
    """Of one process."""

    seconds: float
    peak_mb: float


def serve(objects: int) -> None:
    """Runs the server until standard input ends."""
    with running_s3() as server:
        server.make_bucket("photos")
        for number in range(objects):
            server.put("photos", f"2026/{number % 365:03}/picture-{number:09}.jpg", b"x" * (number % 7))
        print(server.url, flush=True)
        sys.stdin.read()


def command(target: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "facecli", "manifest", "s3://photos", "-o", str(target), "-q", *more]


def measure(target: Path, environment: dict[str, str], *more: str) -> Taken:
    begin = time.monotonic()
    process = subprocess.Popen(command(target, *more), env=environment)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"facecli manifest failed: {status}")
    return Taken(time.monotonic() - begin, used.ru_maxrss / 1024)


def killed_and_resumed(target: Path, objects: int, environment: dict[str, str]) -> tuple[int, Taken]:
    """How many lines a run that was killed at the half had listed, and what the rest took."""
    listing = target.with_name(f".{target.name}.listing")
    process = subprocess.Popen(command(target), env=environment)
    while not (listing.exists() and _lines(listing) > objects // 2):
        if process.poll() is not None:
            raise SystemExit("it ended before it was killed; list more objects")
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    listed = _lines(listing) - 1
    return listed, measure(target, environment, "--resume")


def _lines(path: Path) -> int:
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def report(objects: int, rows: list[tuple[str, Taken]]) -> str:
    lines = [
        f"# A manifest of {objects:,} objects",
        "",
        f"{date.today()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores "
        f"(load {os.getloadavg()[0]:.0f}), Python "
        f"{platform.python_version()}, s3fs {version('s3fs')}, pyarrow {version('pyarrow')}, moto "
        f"{version('moto')} as server; `python benchmarks/manifest.py`.",
        "",
        "| what | seconds | peak memory |",
        "|---|---|---|",
        *(f"| {what} | {taken.seconds:.0f} | {taken.peak_mb:.0f} MB |" for what, taken in rows),
        "",
    ]
    kept = all(taken.peak_mb < LIMIT_MB for _, taken in rows)
    said = "kept" if kept else "NOT KEPT"
    lines.append(f"Limit ({LIMIT_MB} MB): {said}. Both manifests are equal to the byte.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, default=200_000)
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    if options.serve:
        serve(options.objects)
        return
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", "--objects", str(options.objects)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        environment = {**os.environ, **SETTINGS, "AWS_ENDPOINT_URL": server.stdout.readline().strip()}
        with tempfile.TemporaryDirectory() as folder:
            whole, again = Path(folder, "whole.parquet"), Path(folder, "again.parquet")
            rows = [(f"{options.objects:,} objects, at once", measure(whole, environment))]
            listed, rest = killed_and_resumed(again, options.objects, environment)
            rows.append((f"the rest, after a kill at {listed:,}", rest))
            if whole.read_bytes() != again.read_bytes():
                raise SystemExit("the manifests differ")
        (ROOT / "benchmarks" / "manifest.md").write_text(report(options.objects, rows), encoding="utf-8")
        print(report(options.objects, rows))
    finally:
        server.stdin.close()
        server.wait()


if __name__ == "__main__":
    main()
