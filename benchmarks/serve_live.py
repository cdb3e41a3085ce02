"""Live mode of `facecli serve`: analysed frames a second, and from a frame to its boxes.

    python benchmarks/serve_live.py --output benchmarks/serve_live.md
    python benchmarks/serve_live.py --clip clip.mp4 --viewers 2

A viewer sends frames of a clip at 640x480 as a browser does: JPEG of quality 80, 30 a second, whether
or not the last one was answered. Without a clip a portrait (scikit-image) moves over a drawn room.
The time from frame to box begins when the frame is handed to the socket and ends when its faces are read.
"""

import argparse
import asyncio
import datetime
import json
import os
import platform
import struct
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import websockets
from serve_load import memory_mb, server
from skimage import data

SIZE = (640, 480)
WARM_S = 2.0


@dataclass
class Viewer:
    """What one viewer saw after the first two seconds."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    analysis_ms: list[float] = field(default_factory=list)
    sent: int = 0
    with_faces: int = 0

    @property
    def rate(self) -> float:
        """Analysed frames a second."""
        return len(self.latencies_s) / self.seconds


def moving_portrait(frames: int = 300) -> list[np.ndarray]:
    """(480, 640, 3) uint8 RGB frames: a face that goes to and fro over a noisy background."""
    rng = np.random.default_rng(5)
    room = cv2.resize(rng.integers(60, 160, (12, 16, 3), np.uint8), SIZE, interpolation=cv2.INTER_CUBIC)
    portrait = cv2.resize(data.astronaut()[:300, 60:390], (330, 300))
    shown = []
    for number in range(frames):
        image = room.copy()
        x = int(155 + 140 * np.sin(number / 25))
        y = int(90 + 40 * np.sin(number / 17))
        image[y : y + 300, x : x + 330] = portrait
        noise = rng.normal(0, 3, image.shape)
        shown.append(np.clip(image + noise, 0, 255).astype(np.uint8))
    return shown


def clip_frames(path: Path, most: int = 300) -> list[np.ndarray]:
    """The clip's first frames at 640x480."""
    from facecli.sources.video import open_source

    shown = []
    with open_source(str(path)) as source:
        for frame in source:
            shown.append(cv2.resize(frame.image_rgb, SIZE, interpolation=cv2.INTER_AREA))
            if len(shown) == most:
                break
    return shown


def encoded(frames: list[np.ndarray]) -> list[bytes]:
    """JPEG of quality 80, there and back again: what a camera shows has no seam."""
    shown = [*frames, *frames[::-1]]
    quality = [cv2.IMWRITE_JPEG_QUALITY, 80]
    return [
        cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1].tobytes() for image in shown
    ]


async def watch(port: int, query: str, pictures: list[bytes], seconds: float, fps: float) -> Viewer:
    """One viewer for some seconds."""
    viewer, sent_s = Viewer(), {}
    address = f"ws://127.0.0.1:{port}/api/v1/live?{query}"
    async with websockets.connect(address, compression=None) as socket:
        await socket.recv()
        start_s = time.perf_counter()
        reading = asyncio.create_task(_read(socket, viewer, sent_s, start_s + WARM_S))
        for number in range(int((seconds + WARM_S) * fps)):
            await asyncio.sleep(max(0.0, start_s + number / fps - time.perf_counter()))
            picture = pictures[number % len(pictures)]
            sent_s[number] = time.perf_counter()
            await socket.send(struct.pack(">II", number, 0) + picture)
            viewer.sent += 1
        viewer.seconds = time.perf_counter() - start_s - WARM_S
        reading.cancel()
    return viewer


async def _read(socket, viewer: Viewer, sent_s: dict[int, float], begin_s: float) -> None:
    async for text in socket:
        now_s, answer = time.perf_counter(), json.loads(text)
        if answer["type"] != "faces":
            raise SystemExit(f"the server says {text}")
        if now_s >= begin_s:
            viewer.latencies_s.append(now_s - sent_s[answer["frame"]])
            viewer.analysis_ms.append(answer["analysis_ms"])
            viewer.with_faces += bool(answer["faces"])


async def watch_all(port: int, query: str, pictures: list[bytes], count: int, options) -> list[Viewer]:
    """Some viewers at once."""
    watching = (watch(port, query, pictures, options.seconds, options.fps) for _ in range(count))
    return list(await asyncio.gather(*watching))


def row(what: str, viewers: list[Viewer], asked: str) -> str:
    """Of several viewers the slowest."""
    worst = min(viewers, key=lambda viewer: viewer.rate)
    middle, last = (1000 * float(np.quantile(worst.latencies_s, share)) for share in (0.5, 0.95))
    analysis = float(np.median(worst.analysis_ms))
    faces = worst.with_faces / len(worst.latencies_s)
    return (
        f"| {what} | {worst.rate:.1f} | {middle:.0f} | {last:.0f} | {analysis:.1f} | {faces:.0%} | {asked} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path, help="frames of one's own")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--viewers", type=int, default=4, help="also so many at once")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    pictures = encoded(clip_frames(options.clip) if options.clip else moving_portrait())
    with server() as (port, pid):
        lines = [
            "| what | analysed frames/s | to box, median ms | 95 % | analysis ms | with a face | asked |",
            "|---|---|---|---|---|---|---|",
        ]
        for detector in ("haar", "none"):
            alone = asyncio.run(watch_all(port, f"detector={detector}", pictures, 1, options))
            lines.append(row(f"one viewer, {detector}", alone, "15, 150 ms" if detector == "haar" else ""))
        many = asyncio.run(watch_all(port, "detector=haar", pictures, options.viewers, options))
        lines.append(row(f"the slowest of {options.viewers} viewers, haar", many, ""))
        rates = ", ".join(f"{viewer.rate:.1f}" for viewer in many)
        lines += ["", f"Shares of {options.viewers} viewers (frames/s): {rates}."]
        lines.append(f"Resident memory of the server afterwards: {memory_mb(pid):.0f} MB.")
    shown = options.clip.name if options.clip else "a moving portrait"
    machine = f"{platform.platform()}, {os.cpu_count()} cores (load {load_before:.1f} before)"
    said = (
        f"`python benchmarks/serve_live.py`, {datetime.date.today()}, {machine}, "
        f"uvicorn {version('uvicorn')}, opencv-python {version('opencv-python')}; {shown}, "
        f"{options.fps:g} frames/s sent for {options.seconds:g} s, the client on the same cores."
    )
    report = "\n".join(["# Live mode of `facecli serve`", "", said, "", *lines, ""])
    print(report)
    if options.output:
        options.output.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
