"""What many pictures cost on threads, in shards, with Daft and with Daft on Ray, and what kills cost.

    python benchmarks/scale.py [shows] [kills] [model]      writes benchmarks/scale.md; all of it by default
    make scale SCALE_ARGS="shows --pictures 1000"

shows   pictures, one of a hundred of them broken, on moto's S3 server in a process of its own: the same rows
        from threads, from shards 1/4 to 4/4, from Daft on this machine and from Daft on a local Ray.
kills   SIGKILL of a worker, of the process, or of all of its processes, at random moments; after `--resume`
        every picture has exactly one row, equal to that of threads that nobody stopped.
model   runs of several sizes: what docs/scale.md computes from the smaller ones, against the larger ones.

Pictures are drawn (640 x 480, scikit-image's astronaut somewhere on a coloured ground); some are made, and
stand for all. Memory is the sum over a run's processes of what each holds alone and its share of the rest
(PSS), looked at twice a second; CPU seconds are those of the process and of the workers that it has waited
for, which leaves those of Ray out.
"""

import argparse
import contextlib
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from s3_server import SETTINGS, running_s3  # noqa: E402

from facecli.sinks.parts import account, find_parts, rows_of  # noqa: E402

DISTINCT, BROKEN_ONE_OF = 64, 100
SHARDS = 4
NATIVE = ("--engine", "daft", "--runner", "native")
RAY = ("--engine", "daft", "--runner", "ray")
TOLERANCE = 0.15
LAST_SHARES, MOST_TRIES = (0.1, 0.8), 3
"""Of the time of a whole run: when it is killed; how often it is tried again when it was too late."""
MB = 1 << 20


def drawn(number: int) -> bytes:
    """One picture as a JPEG."""
    from skimage.data import astronaut

    chance = np.random.default_rng(number)
    ground = chance.integers(30, 226, (12, 16, 3)).astype(np.uint8)
    image = cv2.resize(ground, (640, 480), interpolation=cv2.INTER_CUBIC)
    side = int(chance.integers(120, 300))
    x, y = int(chance.integers(0, 640 - side)), int(chance.integers(0, 480 - side))
    face = cv2.resize(astronaut()[0:256, 100:356], (side, side), interpolation=cv2.INTER_AREA)
    image[y : y + side, x : x + side] = face
    return cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()


def serve(pictures: int) -> None:
    """Runs the server until standard input ends."""
    made = [drawn(number) for number in range(min(DISTINCT, pictures))]
    with running_s3() as server:
        server.make_bucket("photos")
        for number in range(pictures):
            data = made[number % len(made)]
            if number % BROKEN_ONE_OF == BROKEN_ONE_OF - 1:
                data = data[: len(data) // 2]
            server.put("photos", f"2026/{number % 97:02}/picture-{number:07}.jpg", data)
        print(server.url, flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def served(pictures: int) -> Iterator[dict[str, str]]:
    """An environment in which s3://photos has so many pictures."""
    words = [sys.executable, __file__, "--serve", "--pictures", str(pictures)]
    server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield {**os.environ, **SETTINGS, "AWS_ENDPOINT_URL": server.stdout.readline().strip()}
    finally:
        server.stdin.close()
        server.wait()


def processes() -> dict[int, tuple[int, str]]:
    """Process -> its parent and its command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            found[int(folder.name)] = parent, (folder / "cmdline").read_bytes().decode(errors="replace")
    return found


def descendants(process: int) -> dict[int, str]:
    """Those of a process, itself included, with their command lines."""
    known = processes()
    found, todo = {}, [process]
    while todo:
        one = todo.pop()
        if one in known:
            found[one] = known[one][1]
            todo += [child for child, (parent, _) in known.items() if parent == one]
    return found


def memory_mb(process: int) -> float:
    """Of a process and its descendants, now."""
    total = 0
    for one in descendants(process):
        with contextlib.suppress(OSError, ValueError, StopIteration):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024
    return total / MB


@dataclass
class Taken:
    """Of a run, or of several one after the other.

    Attributes:
        seconds: on the clock.
        cpu_s: see the top.
        peak_mb: see the top.
        said: the last line of standard error of each.
    """

    seconds: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    said: list[str] = field(default_factory=list)

    def add(self, other: "Taken") -> None:
        self.seconds += other.seconds
        self.cpu_s += other.cpu_s
        self.peak_mb = max(self.peak_mb, other.peak_mb)
        self.said += other.said


def run_words(source: str | Path, parts: Path, *more: str) -> list[str]:
    words = ["run", source, "--parts", parts, "--resume", "--no-show", "-q", *more]
    return [sys.executable, "-m", "facecli", *map(str, words)]


def measured(words: list[str], environment: dict[str, str], folder: Path) -> Taken:
    """Runs a command to its end. Raises SystemExit when it fails of more than broken pictures."""
    begin, peak, ended = time.monotonic(), [0.0], threading.Event()
    with open(folder / "stderr", "w+b") as errors, open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(words, env=environment, stdout=nowhere, stderr=errors)

        def watch() -> None:
            while not ended.wait(0.5):
                peak[0] = max(peak[0], memory_mb(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, used = os.wait4(process.pid, 0)
        ended.set()
        watcher.join()
        errors.seek(0)
        said = errors.read().decode(errors="replace").splitlines()
    if os.waitstatus_to_exitcode(status) not in (0, 1) or (said and "could not be analysed" not in said[-1]):
        raise SystemExit(f"{' '.join(words)}: {os.waitstatus_to_exitcode(status)}\n" + "\n".join(said[-20:]))
    taken = Taken(time.monotonic() - begin, used.ru_utime + used.ru_stime, peak[0], said[-1:])
    return taken


def rows(parts: Path) -> dict[str, dict]:
    """By source. Raises SystemExit when a source has two."""
    found = [json.loads(json.dumps(row)) for row in rows_of(account(find_parts([str(parts)])))]
    by_source = {row["source"]: row for row in found}
    if len(by_source) != len(found):
        raise SystemExit(f"{parts}: {len(found)} rows of {len(by_source)} pictures")
    return by_source


def shows(options: argparse.Namespace) -> list[str]:
    """The table of all ways."""
    ways = {
        "threads": [()],
        f"shards 1/{SHARDS} to {SHARDS}/{SHARDS}": [
            ("--shard", f"{number}/{SHARDS}") for number in range(1, SHARDS + 1)
        ],
        "Daft": [NATIVE],
        "Daft on a local Ray": [RAY],
    }
    lines, first, rate = [], None, 0.0
    with tempfile.TemporaryDirectory() as name, served(options.pictures) as environment:
        folder = Path(name)
        manifest = folder / "pictures.parquet"
        subprocess.run(
            [sys.executable, "-m", "facecli", "manifest", "s3://photos", "-o", manifest, "-q"],
            env=environment,
            check=True,
        )
        for number, (way, runs) in enumerate(ways.items()):
            if way in options.without:
                continue
            parts, taken = folder / f"parts{number}", Taken()
            for more in runs:
                words = run_words(manifest, parts, *more, *options.more)
                taken.add(measured(words, environment, folder))
            found = rows(parts)
            first, rate = first or found, rate or options.pictures / taken.seconds
            errors = sum(row["error"] is not None for row in found.values())
            pace = options.pictures / taken.seconds
            lines.append(
                f"| {way} | {account(find_parts([str(parts)])).rows:,} | {len(found):,} | {errors} | "
                f"{pace:.1f} | {pace / rate:.2f} | {taken.peak_mb:.0f} MB | "
                f"{'yes' if found == first else 'NO'} |"
            )
            print(lines[-1], flush=True)
    return [
        f"## The same rows from everywhere: {options.pictures:,} pictures in S3",
        "",
        "| way | rows | distinct sources | errors | pictures/s | of threads | peak memory | equal rows |",
        "|---|---|---|---|---|---|---|---|",
        *lines,
        "",
    ]


def fill(folder: Path, pictures: int) -> None:
    """Draws pictures to files, some of which stand for all."""
    folder.mkdir()
    made = [drawn(number) for number in range(min(DISTINCT, pictures))]
    for number in range(pictures):
        data = made[number % len(made)]
        broken = number % BROKEN_ONE_OF == BROKEN_ONE_OF - 1
        (folder / f"{number:07}.jpg").write_bytes(data[: len(data) // 2] if broken else data)


def victims(process: int, what: str) -> list[int]:
    """Which processes are killed. Empty: there is no worker yet."""
    family = descendants(process)
    if what == "driver":
        return [process]
    if what == "group":
        return list(family)
    marks = ("udf_worker", "UDFActor")
    workers = [one for one, words in family.items() if any(mark in words for mark in marks)]
    return [random.choice(workers)] if workers else []


def killed(words: list[str], what: str, after_s: float) -> bool:
    """Runs a command, and kills some of it after so long. Was it killed before it ended?"""
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after_s)
        return False
    chosen = victims(process.pid, what)
    family = descendants(process.pid)
    for one in chosen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and set(family) & set(processes()):
        time.sleep(0.2)
    for one, said in processes().items():
        # Those of Ray that have outlived it; nobody else's of that number.
        if one in family and said[1] == family[one]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
    return bool(chosen)


def kills(options: argparse.Namespace) -> list[str]:
    """Kills of each kind, and whether anything was lost."""
    counts: dict[tuple[str, str], list[int]] = {}
    random.seed(options.seed)
    runners = [runner for runner in ("native", "ray") if runner not in options.without]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "pictures", options.kill_pictures)
        source, environment = folder / "pictures", dict(os.environ)
        measured(run_words(source, folder / "threads", *options.more), environment, folder)
        unbroken = rows(folder / "threads")
        lasts = {}
        for number in range(options.kills):
            runner = runners[number % len(runners)]
            what = ("worker", "driver", "group")[number // len(runners) % 3]
            more = [*(NATIVE if runner == "native" else RAY), "--part-size", "50", *options.more]
            if runner not in lasts:
                whole = measured(run_words(source, folder / f"whole-{runner}", *more), environment, folder)
                lasts[runner] = whole.seconds
            words = run_words(source, folder / f"parts{number}", *more)
            hit = killed(words, what, random.uniform(*LAST_SHARES) * lasts[runner])
            for more_often in range(MOST_TRIES if not hit else 0):
                # It was quicker than the one that nobody stopped: again, from nothing, and sooner.
                shutil.rmtree(folder / f"parts{number}", ignore_errors=True)
                last = LAST_SHARES[1] / (more_often + 2)
                if hit := killed(words, what, random.uniform(LAST_SHARES[0], last) * lasts[runner]):
                    break
            measured(words, environment, folder)
            count = counts.setdefault((runner, what), [0, 0, 0])
            count[0] += 1
            count[1] += hit
            count[2] += rows(folder / f"parts{number}") == unbroken
            print(f"kill {number + 1}: {runner}, {what}, {'hit' if hit else 'too late'}, {count}", flush=True)
    lines = [
        f"| {runner} | {what} | {tries} | {hits} | {equal} |"
        for (runner, what), (tries, hits, equal) in sorted(counts.items())
    ]
    return [
        f"## SIGKILL at random moments: {options.kill_pictures:,} pictures",
        "",
        "After one run with `--resume` each:",
        "",
        "| runner | killed | tries | before the end | all rows once, as of threads |",
        "|---|---|---|---|---|",
        *lines,
        "",
    ]


def line_through(small: tuple[float, float], large: tuple[float, float]) -> tuple[float, float]:
    """(what there is at the start, what a picture adds) of two points (pictures, value)."""
    slope = (large[1] - small[1]) / (large[0] - small[0])
    return small[1] - slope * small[0], slope


def model(options: argparse.Namespace) -> list[str]:
    """CPU and memory of several sizes, the two smallest of which say what the others should be."""
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for way, more in (("threads", ()), ("Daft", NATIVE)):
            points = []
            for size in options.sizes:
                source = folder / f"pictures{size}"
                if not source.exists():
                    fill(source, size)
                words = run_words(source, folder / f"{way}{size}", *more, *options.more)
                points.append((size, measured(words, dict(os.environ), folder)))
                print(way, size, points[-1][1], flush=True)
            lines += _compared(way, points)
    return [
        "## The model of docs/scale.md against runs",
        "",
        f"CPU seconds and memory of the first two sizes give the line; within {TOLERANCE:.0%} is the aim.",
        "",
        "| way | pictures | CPU s | computed | off | peak memory | computed | off | pictures/s |",
        "|---|---|---|---|---|---|---|---|---|",
        *lines,
        "",
    ]


def _compared(way: str, points: list[tuple[int, Taken]]) -> list[str]:
    (small, first), (large, second) = points[:2]
    cpu = line_through((small, first.cpu_s), (large, second.cpu_s))
    # What every process holds is there with the first pictures; it does not grow with them.
    memory = max(first.peak_mb, second.peak_mb)
    lines = []
    for size, taken in points:
        wanted = cpu[0] + cpu[1] * size
        lines.append(
            f"| {way} | {size:,} | {taken.cpu_s:.1f} | {wanted:.1f} | {taken.cpu_s / wanted - 1:+.0%} | "
            f"{taken.peak_mb:.0f} MB | {memory:.0f} MB | {taken.peak_mb / memory - 1:+.0%} | "
            f"{size / taken.seconds:.1f} |"
        )
    return lines


def head() -> list[str]:
    names = ("daft", "ray", "pyarrow", "s3fs", "moto")
    packages = []
    for name in names:
        with contextlib.suppress(ImportError):
            packages.append(f"{name} {version(name)}")
    return [
        "# Many pictures",
        "",
        f"{date.today()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores (load "
        f"{os.getloadavg()[0]:.0f} at the end, of other work), Python {platform.python_version()}, "
        f"{', '.join(packages)}; `python benchmarks/scale.py {' '.join(sys.argv[1:])}`.",
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*", help="shows, kills, model")
    parser.add_argument("--pictures", type=int, default=5000, help="of shows")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--kill-pictures", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1000, 10_000], help="of model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without", nargs="*", default=[], help='ways to leave out: "Daft", "ray"')
    parser.add_argument("--more", default="", help="further options of facecli run")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "benchmarks" / "scale.md")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    if options.serve:
        serve(options.pictures)
        return
    options.more = options.more.split()
    parts = {"shows": shows, "kills": kills, "model": model}
    chosen = options.what or list(parts)
    lines = [line for name in chosen for line in parts[name](options)]
    text = "\n".join([*head(), *lines]).rstrip() + "\n"
    options.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
