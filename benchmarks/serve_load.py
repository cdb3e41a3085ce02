"""Load on `facecli serve`: requests a second, latencies, what happens beyond capacity, and memory.

    python benchmarks/serve_load.py --output benchmarks/serve_load.md
    python benchmarks/serve_load.py --seconds 5 --requests 0          a quick look
    python benchmarks/serve_load.py --against FOLDER                  in turns with another checkout

Starts the server as a user would, on a free port of 127.0.0.1, and asks it from this process over raw
connections that are kept open. Pictures: NASA's portrait of Eileen Collins (scikit-image) at 640x480
with one face, and its face alone as a chip. Client and server share the cores.
"""

import argparse
import asyncio
import datetime
import os
import platform
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from skimage import data

DEEPFACE_S = 1.4
"""Seconds of deepface's REST for one picture on two cores, as measured for the issue that asked for ours."""
FACE = (167, 60, 287, 180)
EARLY = 2_000
BOUNDARY = "facecli-load"


@dataclass
class Outcome:
    """What came back: how often each status, seconds of those with 200, and how long it all took."""

    seconds: float = 0.0
    statuses: Counter = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers with 200 a second."""
        return len(self.latencies_s) / self.seconds if self.seconds else 0.0

    def quantile_ms(self, share: float) -> float:
        """Of the answers with 200."""
        return float(np.quantile(self.latencies_s, share)) * 1000 if self.latencies_s else float("nan")


def pictures() -> tuple[bytes, bytes]:
    """A JPEG of 640x480 with one face, and a JPEG of 200x200 that is one."""
    portrait = data.astronaut()[:384]
    left, top, right, bottom = FACE
    sizes = ((portrait, (640, 480)), (portrait[top:bottom, left:right], (200, 200)))
    return tuple(_jpeg(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)) for image, size in sizes)


def _jpeg(image_rgb: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


def request(query: str, picture: bytes) -> bytes:
    """A whole POST with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
    body = f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()
    lines = (
        f"POST /api/v1/analyze?{query} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def load(
    port: int, sent: bytes, connections: int, seconds: float, most: int = 0, pause_s: float = 0.0
) -> Outcome:
    """Asks again and again over some connections.

    Args:
        port: of the server.
        sent: the request.
        connections: at once.
        seconds: no request is begun later.
        most: requests in all; 0 for as many as fit.
        pause_s: each connection begins at most one request in this time.
    """
    outcome = Outcome()
    begun = iter(range(most)) if most else iter(int, 1)
    start_s = time.perf_counter()
    viewers = (_ask(port, sent, start_s + seconds, begun, pause_s, outcome) for _ in range(connections))
    await asyncio.gather(*viewers)
    outcome.seconds = time.perf_counter() - start_s
    return outcome


async def _ask(
    port: int, sent: bytes, end_s: float, begun: Iterator[int], pause_s: float, outcome: Outcome
) -> None:
    streams = None
    if pause_s:
        await asyncio.sleep(np.random.uniform(0, pause_s))
    while time.perf_counter() < end_s and next(begun, None) is not None:
        start_s = time.perf_counter()
        try:
            streams = streams or await asyncio.open_connection("127.0.0.1", port)
            status, stays = await _exchange(*streams, sent)
        except (OSError, asyncio.IncompleteReadError):
            status, stays = 0, False
        took_s = time.perf_counter() - start_s
        outcome.statuses[status] += 1
        if status == 200:
            outcome.latencies_s.append(took_s)
        if not stays and streams:
            streams[1].close()
            streams = None
        await asyncio.sleep(max(0.0, pause_s - took_s))
    if streams:
        streams[1].close()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes
) -> tuple[int, bool]:
    """The status of the answer, and whether the connection stays open."""
    writer.write(sent)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
    return int(head.split(b" ", 2)[1]), b"connection: close" not in head


@contextmanager
def server(*options: str, sources: Path | None = None) -> Iterator[tuple[int, int]]:
    """A running server, of the sources in another checkout if wanted: its port and its process id."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "facecli", "serve", "--port", str(port), *options]
    environment = dict(os.environ) if sources is None else {**os.environ, "PYTHONPATH": str(sources)}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        try:
            wait_for(port, process)
            yield port, process.pid
        finally:
            process.terminate()


def wait_for(port: int, process: subprocess.Popen) -> None:
    """Until the server is healthy. Raises SystemExit when it ends before."""
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("the server did not become healthy in a minute")


def memory_mb(pid: int) -> float:
    """Resident memory of the process in MB of 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit(f"no memory of {pid}")


def family(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                # It has ended meanwhile.
                continue
    return found


def computed_s(pid: int) -> float:
    """Seconds of a core that the process and all below it have computed."""
    words = (Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in family(pid))
    return sum(int(word[11]) + int(word[12]) for word in words) / os.sysconf("SC_CLK_TCK")


def row(what: str, outcome: Outcome, asked: str) -> str:
    others = {status: count for status, count in sorted(outcome.statuses.items()) if status != 200}
    middle, last = (outcome.quantile_ms(share) for share in (0.5, 0.99))
    return f"| {what} | {outcome.rate:.1f} | {middle:.0f} | {last:.0f} | {others or 'none'} | {asked} |"


def measure_rates(port: int, options: argparse.Namespace) -> tuple[list[str], float]:
    """Rows of the table, and the requests a second with Haar."""
    picture, chip = pictures()
    whole, alone = request("detector=haar", picture), request("detector=none", chip)
    for sent in (whole, alone):
        asyncio.run(load(port, sent, 4, 2.0))
    haar = best(port, whole, options)
    none = best(port, alone, options)
    pause_s = 80 / (5 * haar.rate)
    beyond = asyncio.run(load(port, whole, 80, options.seconds, pause_s=pause_s))
    lines = [
        "| what | answers/s | median ms | p99 ms | other statuses | asked |",
        "|---|---|---|---|---|---|",
        row("640x480, one face, Haar, 16 connections", haar, "40/s, p99 < 1000"),
        row("a chip, `detector=none`, 16 connections", none, "200/s, p99 < 1000"),
        row("Haar, 5 times that rate over 80 connections", beyond, "p99 < 1000, others 503"),
        "",
        f"With Haar {haar.rate * DEEPFACE_S:.0f} times deepface's REST ({DEEPFACE_S} s a picture, measured "
        "elsewhere and not again here; asked: 40).",
    ]
    return lines, haar.rate


def best(port: int, sent: bytes, options: argparse.Namespace) -> Outcome:
    """The round with the middle rate."""
    rounds = [asyncio.run(load(port, sent, 16, options.seconds)) for _ in range(options.rounds)]
    return sorted(rounds, key=lambda outcome: outcome.rate)[len(rounds) // 2]


def compare(folder: Path, options: argparse.Namespace) -> list[str]:
    """Rows of answers a second of a checkout and of this one, in turns: both meet the same machine."""
    picture, chip = pictures()
    portrait = data.astronaut()[:384]
    photo = _jpeg(cv2.resize(portrait, (1632, 1224), interpolation=cv2.INTER_CUBIC))
    kinds = {
        "a photo of 2 megapixels, `cnn`": request("", photo),
        "a photo of 2 megapixels, Haar": request("detector=haar", photo),
        "a photo of 2 megapixels, `detector=none`": request("detector=none", photo),
        "640x480, `cnn`": request("", picture),
        "640x480, Haar": request("detector=haar", picture),
        "a chip, `detector=none`": request("detector=none", chip),
    }
    lines = [
        f"| 4 connections, medians of {options.rounds} rounds | answers/s before | now | now / before | "
        "core ms an answer before | now | before / now |",
        "|---|---|---|---|---|---|---|",
    ]
    with server(*options.option, sources=folder / "src") as before, server(*options.option) as now:
        for what, sent in kinds.items():
            for port, _ in (before, now):
                asyncio.run(load(port, sent, 4, 2.0))
            rounds = {before: [], now: []}
            for turn in range(options.rounds):
                for one in (before, now) if turn % 2 else (now, before):
                    rounds[one].append(_round(*one, sent, options.seconds))
            rates, costs = (
                np.array([rounds[one] for one in (before, now)])[..., column] for column in (0, 1)
            )
            told = [f"{value:.1f}" for value in np.median(rates, axis=1)]
            told += [f"{np.median(rates[1] / rates[0]):.2f}"]
            told += [f"{value:.1f}" for value in np.median(costs, axis=1)]
            told += [f"{np.median(costs[0] / costs[1]):.2f}"]
            lines.append(f"| {what} | {' | '.join(told)} |")
            print(lines[-1], file=sys.stderr, flush=True)
    return lines


def _round(port: int, pid: int, sent: bytes, seconds: float) -> tuple[float, float]:
    """Answers a second, and milliseconds of a core for one."""
    start_s = computed_s(pid)
    outcome = asyncio.run(load(port, sent, 4, seconds))
    return outcome.rate, 1000 * (computed_s(pid) - start_s) / max(1, outcome.statuses[200])


def soak(port: int, pid: int, requests: int) -> list[str]:
    """Memory at an early request and at the last one; every tenth picture is searched, some are damaged."""
    picture, chip = pictures()
    kinds = (
        (request("detector=none", chip), 0.88, 200),
        (request("detector=haar", picture), 0.10, 200),
        (request("detector=haar", picture[: len(picture) // 2]), 0.02, 0),
    )
    statuses: Counter = Counter()

    def go(count: int) -> None:
        for sent, share, _ in kinds:
            statuses.update(asyncio.run(load(port, sent, 8, 3600, round(count * share))).statuses)

    parts = max(1, requests // EARLY)
    sizes = []
    for _ in range(parts):
        go(requests // parts)
        sizes.append(memory_mb(pid))
    wrong = {
        status: count for status, count in statuses.items() if (status >= 500 and status != 503) or not status
    }
    return [
        "",
        f"| memory over {sum(statuses.values()):,} requests (MB) | | asked |",
        "|---|---|---|",
        f"| after {requests // parts:,} | {sizes[0]:.1f} | |",
        f"| after {sum(statuses.values()):,} | {sizes[-1]:.1f} | |",
        f"| growth | {sizes[-1] - sizes[0]:+.1f} | less than 10 |",
        f"| statuses | {dict(sorted(statuses.items()))} | no 5xx but 503 |",
        f"| broken connections and 5xx but 503 | {wrong or 'none'} | none |",
    ]


def conditions(load_before: float) -> str:
    names = ("fastapi", "uvicorn", "opencv-python", "ai-edge-litert", "numpy")
    return (
        f"{datetime.date.today()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores (load "
        f"{load_before:.1f} before), Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in names)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=15.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3, help="the middle one is told")
    parser.add_argument("--requests", type=int, default=20_000, help="of the memory's measurement; 0: none")
    parser.add_argument(
        "--option", action="append", default=[], help="of `facecli serve`, such as --workers=2"
    )
    parser.add_argument(
        "--against", type=Path, metavar="FOLDER", help="checkout to compare with; nothing else is measured"
    )
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    if options.against:
        said = (
            f"{conditions(load_before)}; rounds of {options.seconds:g} s; client and servers share the cores."
        )
        print("\n".join([said, "", *compare(options.against, options)]))
        return
    with server(*options.option) as (port, pid):
        lines, _ = measure_rates(port, options)
        if options.requests:
            lines += soak(port, pid, options.requests)
    said = f"`python benchmarks/serve_load.py {' '.join(options.option)}`".replace(" `", "`")
    rounds = (
        f"the middle of {options.rounds} rounds of {options.seconds:g} s; client and server share the cores."
    )
    report = "\n".join(
        ["# Load on `facecli serve`", "", f"{said}, {conditions(load_before)}; {rounds}", "", *lines, ""]
    )
    print(report)
    if options.output:
        options.output.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
