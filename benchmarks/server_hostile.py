"""What pictures that are made to do harm do to `facecli serve`: its memory, and who asks beside them.

    python benchmarks/server_hostile.py --output benchmarks/server_hostile.md
    python benchmarks/server_hostile.py --seconds 5           a quick look

Starts the server as a user would, and draws every picture itself. Memory is that of the server and all of its
children, looked at every 20 ms: `resident` is the sum of what each holds, in which pages that several share
are counted several times, `proportional` counts them once (Linux). Client and server share the cores.
"""

import argparse
import asyncio
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from serve_load import Outcome, computed_s, conditions, family, load, pictures, request, server

from facecli.core import images
from facecli.web.decoder import DecoderPool

MEMORY_MB, INNOCENT_MS = 900, 2000
"""What is asked."""
_LOOK_S = 0.02
_SIDE, _TURNS = 7000, 200


def _saved(image: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def palette_png() -> bytes:
    """49 megapixels that become RGBA when they are decoded, in some kilobytes."""
    return _saved(Image.new("P", (_SIDE, _SIDE)), "PNG", bits=1, transparency=0)


def rgba_png() -> bytes:
    return _saved(Image.new("RGBA", (_SIDE, _SIDE)), "PNG")


def webp() -> bytes:
    """Near the limit of 50 megapixels."""
    return _saved(Image.new("RGBA", (_SIDE, 7100)), "WEBP", lossless=True, method=0)


def progressive(scans: int, side: int) -> bytes:
    """A JPEG whose last scan stands again and again."""
    plain = _saved(Image.new("RGB", (side, side), (120, 90, 60)), "JPEG", progressive=True)
    last = plain[plain.rindex(b"\xff\xda") : -2]
    return plain[:-2] + last * (scans - plain.count(b"\xff\xda")) + plain[-2:]


BOMBS: dict[str, Callable[[], bytes]] = {
    "a PNG of 49 megapixels with a clear colour": palette_png,
    "a PNG of 49 megapixels, RGBA": rgba_png,
    "a WebP of 49.7 megapixels, RGBA": webp,
    "a progressive JPEG of 3000 scans": lambda: progressive(3000, 1800),
    "a progressive JPEG of 100 scans, 20 megapixels": lambda: progressive(100, 4472),
}


def _sum_mb(pid: int) -> tuple[float, float]:
    """Resident and proportional memory of the family, in MB of 10^6 bytes."""
    resident = proportional = 0
    for one in family(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        sizes = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
        resident, proportional = resident + sizes["Rss:"], proportional + sizes["Pss:"]
    return resident * 1024 / 1e6, proportional * 1024 / 1e6


class MemoryWatch:
    """The largest memory of a family of processes within a block."""

    def __init__(self, pid: int) -> None:
        self._pid, self._stopped = pid, threading.Event()
        self.resident_mb = self.proportional_mb = 0.0
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stopped.wait(_LOOK_S):
            resident_mb, proportional_mb = _sum_mb(self._pid)
            self.resident_mb = max(self.resident_mb, resident_mb)
            self.proportional_mb = max(self.proportional_mb, proportional_mb)


@contextmanager
def awake(sent: bytes):
    """A server that has answered, so that all of it is loaded."""
    with server() as (port, pid):
        asyncio.run(load(port, sent, 4, 60, most=12))
        yield port, pid
        # The next one, from `server`, is the second: bombs that are still at work are not waited for.
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.5)


async def _together(port: int, bombs: list[bytes], connections: int = 1) -> list[Outcome]:
    return await asyncio.gather(*(load(port, bomb, connections, 60, most=connections) for bomb in bombs))


def measure_memory(sent: bytes) -> list[str]:
    """Rows: three of a kind at once, and three kinds at once."""
    lines = [
        "| three at once | bytes of one | statuses | all answered after s | resident MB | proportional MB |",
        "|---|---|---|---|---|---|",
    ]
    made = {name: make() for name, make in BOMBS.items()}
    rounds = {name: [data] * 3 for name, data in made.items()}
    rounds["one each of PNG (RGBA), WebP and 3000 scans"] = [
        list(made.values())[place] for place in (1, 2, 3)
    ]
    for name, three in rounds.items():
        with awake(sent) as (port, pid), MemoryWatch(pid) as memory:
            start_s = time.perf_counter()
            outcomes = asyncio.run(_together(port, [request("", one) for one in three]))
            took_s = time.perf_counter() - start_s
        statuses = sorted(status for outcome in outcomes for status in outcome.statuses.elements())
        size = f"{len(three[0]):,}" if len({len(one) for one in three}) == 1 else "mixed"
        told = ", ".join(map(str, statuses))
        sizes = f"{memory.resident_mb:.0f} | {memory.proportional_mb:.0f}"
        lines.append(f"| {name} | {size} | {told} | {took_s:.1f} | {sizes} |")
        print(lines[-1], file=sys.stderr, flush=True)
    with awake(sent) as (port, pid), MemoryWatch(pid) as memory:
        asyncio.run(load(port, sent, 4, 3.0))
    lines.append(
        f"| (ordinary pictures only) | | | | {memory.resident_mb:.0f} | {memory.proportional_mb:.0f} |"
    )
    return lines


async def _beside(
    port: int, sent: bytes, bombs: list[bytes], seconds: float
) -> tuple[Outcome, list[Outcome]]:
    """Innocent requests one after the other, while each of the bombs is sent again and again."""
    hostile = [asyncio.ensure_future(load(port, bomb, 1, seconds)) for bomb in bombs]
    await asyncio.sleep(0.5)
    innocent = await load(port, sent, 2, seconds - 1, pause_s=0.2)
    answered, left = await asyncio.wait(hostile, timeout=5) if hostile else (set(), set())
    for one in left:
        one.cancel()
    return innocent, [one.result() for one in answered]


def measure_innocents(sent: bytes, seconds: float) -> list[str]:
    """Rows: what innocent requests see alone, and beside ten of each kind."""
    lines = [
        "| beside ten | answers | other statuses | median ms | p99 ms | the ten: statuses | resident MB |",
        "|---|---|---|---|---|---|---|",
    ]
    made = [make() for make in BOMBS.values()]
    rounds = {"(nobody)": [], **dict(zip(BOMBS, ([data] * 10 for data in made), strict=True))}
    rounds["two of each kind"] = made * 2
    for name, bombs in rounds.items():
        with awake(sent) as (port, pid), MemoryWatch(pid) as memory:
            innocent, hostile = asyncio.run(_beside(port, sent, [request("", one) for one in bombs], seconds))
        others = {status: count for status, count in sorted(innocent.statuses.items()) if status != 200}
        statuses = sum((outcome.statuses for outcome in hostile), Outcome().statuses)
        if len(hostile) < len(bombs):
            statuses["no answer yet"] = len(bombs) - len(hostile)
        lines.append(
            f"| {name} | {innocent.statuses[200]} | {others or 'none'} | {innocent.quantile_ms(0.5):.0f} | "
            f"{innocent.quantile_ms(0.99):.0f} | {dict(statuses) or ''} | "
            f"{memory.resident_mb:.0f} |"
        )
        print(lines[-1], file=sys.stderr, flush=True)
    return lines


def measure_children() -> list[str]:
    """Rows: milliseconds for ordinary pictures in this process and in a child, in turns."""
    portrait, chip = pictures()
    photo = _saved(Image.open(io.BytesIO(portrait)).resize((1632, 1224)), "JPEG")
    pool = DecoderPool(2, 30.0)
    lane = pool.lane(heavy=False)
    lines = ["| decoding | here: ms | in a child: ms | computed by both: ms |", "|---|---|---|---|"]
    for name, sent in {"200x200": chip, "640x480": portrait, "1632x1224": photo}.items():
        here, there, computed = [], [], []
        for _ in range(_TURNS):
            start_s = time.perf_counter()
            images.decode_image(sent, name)
            here.append(time.perf_counter() - start_s)
            start_s, start_cpu_s = time.perf_counter(), computed_s(os.getpid())
            lane.decode_image(sent, name)
            there.append(time.perf_counter() - start_s)
            computed.append(computed_s(os.getpid()) - start_cpu_s)
        middle = " | ".join(f"{1000 * np.median(one):.1f}" for one in (here, there))
        lines.append(f"| {name} | {middle} | {1000 * np.mean(computed[_TURNS // 4 :]):.1f} |")
        print(lines[-1], file=sys.stderr, flush=True)
    pool.close()
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of each round beside bombs")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    np.random.seed(0)
    sent = request("", pictures()[0])
    parts = [
        lambda: [
            "# Hostile pictures",
            "",
            f"`python benchmarks/server_hostile.py`, {conditions(load_before)}.",
            "",
        ],
        lambda: [
            f"What a child costs ordinary JPEGs, medians of {_TURNS} in turns:",
            "",
            *measure_children(),
            "",
        ],
        lambda: [f"Asked: {MEMORY_MB} MB at most, all processes together.", "", *measure_memory(sent), ""],
        lambda: [
            f"Innocent requests (640x480, one face, `cnn`, two connections, ten a second at most) for "
            f"{options.seconds:g} s. Asked: p99 of {INNOCENT_MS} ms at most, 503 only for a full queue.",
            "",
            *measure_innocents(sent, options.seconds),
            "",
        ],
    ]
    report = ""
    for part in parts:
        report += "\n".join([*part(), ""])
        if options.output:
            # One that is cut has what was measured until then.
            options.output.write_text(report.rstrip("\n") + "\n", encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
