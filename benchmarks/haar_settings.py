"""How the Haar cascade's settings trade false faces, missed faces and time.

    python benchmarks/haar_settings.py ../shared/pictures ../shared/clips

Every `--step`-th frame of each clip is searched. A digit is the number of faces found in a
frame; the settings of `HaarOptions()` are marked.
"""

import argparse
import itertools
import time
from pathlib import Path

import cv2

from facecli.core.images import find_images, load_image
from facecli.core.paths import find_cascade
from facecli.detect.haar import HaarDetector, HaarOptions
from facecli.sources.video import open_source

CASCADES = ("haarcascade_frontalface_alt2.xml", "haarcascade_frontalface_default.xml")
SETTINGS = tuple(itertools.product((1.1, 1.15, 1.2), (4, 5, 6)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--step", type=int, default=12)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    sources = {path.name: [load_image(path)] for path in find_images(arguments.pictures)}
    sources |= {path.name: frames(path, arguments.step) for path in sorted(arguments.clips.iterdir())}
    print("| cascade | scale | neighbours | ms a frame |", " | ".join(sources), "|")
    print("|---" * (4 + len(sources)) + "|")
    for cascade in CASCADES:
        for scale_factor, min_neighbors in SETTINGS:
            print(row(cascade, HaarOptions(scale_factor, min_neighbors), sources))


def frames(path: Path, step: int) -> list:
    with open_source(str(path)) as source:
        return [frame.image_rgb for frame in source if frame.index % step == 0]


def row(cascade: str, options: HaarOptions, sources: dict[str, list]) -> str:
    detector = HaarDetector(find_cascade(cascade), options)
    start = time.perf_counter()
    counts = {
        name: "".join(str(min(len(detector.detect(image)[0]), 9)) for image in images)
        for name, images in sources.items()
    }
    ms = 1000 * (time.perf_counter() - start) / sum(map(len, sources.values()))
    name = cascade.removeprefix("haarcascade_frontalface_").removesuffix(".xml")
    mark = " (default)" if cascade == CASCADES[0] and options == HaarOptions() else ""
    cells = [f"{name}{mark}", options.scale_factor, options.min_neighbors, f"{ms:.0f}", *counts.values()]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
