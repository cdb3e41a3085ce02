"""How much faster `facecli run --img` goes through many pictures than a loop, and what it holds in memory.

    python benchmarks/batch.py FOLDER [--yunet WEIGHTS]      writes benchmarks/batch.md

FOLDER holds real pictures. Two sets are made of them in a temporary folder: 2,000 pictures as they are
(links, again from the first when there are fewer), and photographs of 12 megapixels, the size of a
phone's, enlarged from them with a little noise so that their files are as long as real ones.

The ways take turns block by block, so that what else the machine does is the same for both:

    loop    one analyzer for all: for path in pictures: analyzer.analyze(load_image(path))
    batch   what `facecli run --img FOLDER` does with its default options

and a shell loop of `facecli run --img PICTURE` for some of them. CPU seconds depend less than time on
what else runs. Memory is the peak of a whole `facecli run` process, for 2,000 and for 20,000 pictures.
"""

import argparse
import copy
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np

from facecli.core.images import find_images, load_image
from facecli.core.paths import find_model
from facecli.detect.registry import build_detector
from facecli.infer.analyzer import Analyzer
from facecli.models.checkpoint import load_checkpoint
from facecli.models.litert import Predictor
from facecli.pipeline.batch import Batch, Parallelism
from facecli.sources.files import FileSource
from facecli.sources.inputs import Inputs

SMALL, PHOTOS, MEGAPIXELS = 2000, 40, 12
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
THREADS = cv2.getNumThreads()

READING = """
What is gained: decoding and searching in as many threads as there are cores, faces in batches (the network
takes a sixth less for each), and large JPEGs decoded reduced, which also leaves the detector less to shrink.
The search itself is the same work in both ways, and with `haar` it is most of it: on {cores} cores a loop
whose OpenCV uses them already cannot be beaten four times. What else ran here took its share of the cores
from both; CPU milliseconds say what an idle machine would save. Memory grows by the names of the pictures,
about half a kilobyte each.
"""


def make_small(pictures: list[Path], folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    made = []
    for number in range(count):
        made.append(folder / f"{number:05}{pictures[number % len(pictures)].suffix}")
        made[-1].symlink_to(pictures[number % len(pictures)].resolve())
    return made


def make_photos(pictures: list[Path], folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    random, made = np.random.default_rng(0), []
    for number, path in enumerate(pictures[:: max(len(pictures) // count, 1)][:count]):
        image = load_image(path)[..., ::-1]
        scale = (MEGAPIXELS * 1e6 / (image.shape[0] * image.shape[1])) ** 0.5
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        noise = random.normal(0, 3, image.shape).astype(np.float32)
        made.append(folder / f"{number:03}.jpg")
        cv2.imwrite(str(made[-1]), np.clip(image + noise, 0, 255).astype(np.uint8))
    return made


def build(detector: str, weights: Path | None) -> Analyzer:
    predictor = Predictor(load_checkpoint(find_model("facenet_model")))
    return Analyzer(build_detector(detector, weights=weights), predictor)


def loop(pictures: list[Path], analyzer: Analyzer, make_detector) -> int:
    cv2.setNumThreads(THREADS)
    return sum(len(analyzer.analyze(load_image(path))) for path in pictures)


def batch(pictures: list[Path], analyzer: Analyzer, make_detector) -> int:
    cv2.setNumThreads(1)

    def looker():
        own = copy.copy(analyzer)
        own.detector = make_detector()
        return own

    many = Batch(looker, analyzer, Parallelism(min(CORES, 8), 16))
    return sum(len(one.result.faces) for one in many.records(Inputs([FileSource(path) for path in pictures])))


def compare(pictures: list[Path], blocks: int, detector: str, weights: Path | None) -> list[str]:
    """A row of the table, after a block of each way to warm up."""
    analyzer = build(detector, weights)
    make = partial(build_detector, detector, weights=weights)
    seconds, cpu, faces, ratios = {}, {}, {}, []
    parts = [pictures[number::blocks] for number in range(blocks)]
    for number, part in enumerate([parts[0][:10], *parts]):
        took = {}
        for way in (loop, batch) if number % 2 else (batch, loop):
            begin, begin_cpu = time.perf_counter(), time.process_time()
            found = way(part, analyzer, make)
            took[way] = time.perf_counter() - begin
            if number:
                seconds[way] = seconds.get(way, 0) + took[way]
                cpu[way] = cpu.get(way, 0) + time.process_time() - begin_cpu
                faces[way] = faces.get(way, 0) + found
        if number:
            ratios.append(took[loop] / took[batch])
    count = len(pictures)
    return [
        f"{count:,}",
        f"{faces[loop]:,} / {faces[batch]:,}",
        *(f"{count / seconds[way]:.1f}" for way in (loop, batch)),
        f"{seconds[loop] / seconds[batch]:.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        *(f"{1000 * cpu[way] / count:.0f}" for way in (loop, batch)),
    ]


def shell_rate(pictures: list[Path], count: int = 8) -> float:
    """Pictures a second of one process for each."""
    begin = time.perf_counter()
    for path in pictures[:count]:
        command = [sys.executable, "-m", "facecli", "run", "--img", str(path), "--json", "-"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return count / (time.perf_counter() - begin)


# A process of its own: the kernel counts what a parent held before it became another program.
PEAK = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, usage = os.wait4(pid, 0)
sys.exit(f"run failed: {status}") if status else print(usage.ru_maxrss)
"""


def peak_mb(folder: Path, target: Path) -> tuple[float, int]:
    """Most memory of a whole run over a folder, and the rows that it wrote."""
    command = [sys.executable, "-m", "facecli", "run", "--img", str(folder), "--detector", "none"]
    command = [sys.executable, "-S", "-c", PEAK, *command, "--json", str(target)]
    kilobytes = int(subprocess.run(command, check=True, capture_output=True).stdout)
    return kilobytes / 1024, sum(1 for _ in target.open("rb"))


def conditions() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("opencv-python", "ai-edge-litert", "numpy"))
    return (
        f"{date.today()}, {platform.system()} {platform.machine()}, {CORES} cores, load "
        f"{os.getloadavg()[0]:.1f} when it began, Python {platform.python_version()}, {packages}."
    )


def table(header: str, rows: list[list[str]]) -> str:
    columns = header.count("|") + 1
    lines = [f"| {header} |", "|---" * columns + "|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--yunet", type=Path, help="weights of that detector")
    parser.add_argument("--small", type=int, default=SMALL)
    parser.add_argument("--photos", type=int, default=PHOTOS)
    given = parser.parse_args()
    begun, pictures = conditions(), find_images(given.folder)
    detectors = {"haar": None} | ({"yunet": given.yunet} if given.yunet else {})
    with tempfile.TemporaryDirectory() as name:
        small = make_small(pictures, Path(name, "small"), given.small)
        photos = make_photos(pictures, Path(name, "photos"), given.photos)
        height, width = load_image(small[0]).shape[:2]
        sets = {f"as they are ({width} x {height})": (small, 10), f"{MEGAPIXELS} megapixels": (photos, 4)}
        rows = [
            [kind, detector, *compare(files, blocks, detector, weights)]
            for kind, (files, blocks) in sets.items()
            for detector, weights in detectors.items()
        ]
        shell = shell_rate(small)
        make_small(pictures, Path(name, "many"), 10 * given.small)
        memory = [peak_mb(Path(name, kind), Path(name, f"{kind}.jsonl")) for kind in ("small", "many")]
    header = (
        "pictures | detector | how many | faces: loop / batch | loop, a second | batch, a second | "
        "batch / loop (blocks) | CPU ms a picture: loop | batch"
    )
    text = f"""# Many pictures at once

{begun} The ways took turns block by block (`python benchmarks/batch.py FOLDER --yunet WEIGHTS`).

{table(header, rows)}

One process for each picture (`for f in *; do facecli run --img $f; done`): {shell:.1f} pictures a second.

| pictures | rows | peak memory of the process |
|---|---|---|
{chr(10).join(f"| {count:,} | {count:,} | {peak:.0f} MB |" for peak, count in memory)}
{READING.format(cores=CORES)}"""
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
