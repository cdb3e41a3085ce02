"""The search of `vision/haar_search.py` beside OpenCV's dense search of the whole picture.

    python benchmarks/haar_search.py data/lfw --output benchmarks/haar_search.md

Real faces of known place: photographs of one face each (Labeled Faces in the Wild: 250x250, the face
in the middle, its box about 45 % of the side) at random sizes and places over photographs without
faces (scikit-image), 640x480. One OpenCV thread, time of the process.
"""

import argparse
import datetime
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from skimage import data

from facecli.core.images import find_images, load_image
from facecli.core.paths import find_cascade
from facecli.detect.haar import HaarOptions, load_cascade, search_coarse_to_fine

BACKGROUNDS = ("coffee", "chelsea", "rocket", "brick", "grass", "gravel", "hubble_deep_field", "retina")
FACE_SHARE = 0.45
SIZES = ((0, 45), (45, 70), (70, 110), (110, 1000))
Boxes = np.ndarray


class Scene(NamedTuple):
    """(480, 640) uint8, and centre and side of the face in it, pixels."""

    grey: np.ndarray
    x: float
    y: float
    side: float

    def holds(self, box: np.ndarray) -> bool:
        """Does the box, xywh, lie on the face?"""
        x, y, width, height = box
        near = max(abs(x + width / 2 - self.x), abs(y + height / 2 - self.y)) < self.side / 2
        return bool(near and 0.5 < width / self.side < 2)


def build_scenes(photos: list[Path], count: int) -> list[Scene]:
    """Alike in every run."""
    random = np.random.default_rng(0)
    return [_scene(photos[index], BACKGROUNDS[index % len(BACKGROUNDS)], random) for index in range(count)]


def _scene(photo: Path, background: str, random: np.random.Generator) -> Scene:
    ground = getattr(data, background)()
    ground = ground if ground.ndim == 2 else cv2.cvtColor(ground[..., :3], cv2.COLOR_RGB2GRAY)
    grow = max(640 / ground.shape[1], 480 / ground.shape[0]) * random.uniform(1, 1.5)
    ground = cv2.resize(ground, None, fx=grow, fy=grow)
    sizes = zip(ground.shape, (480, 640), strict=True)
    top, left = (int(random.integers(0, have - want + 1)) for have, want in sizes)
    grey = ground[top : top + 480, left : left + 640].copy()
    face = cv2.cvtColor(load_image(photo), cv2.COLOR_RGB2GRAY)
    scale = np.exp(random.uniform(np.log(0.28), np.log(1.9)))
    face = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = face.shape
    top, left = int(random.integers(0, 481 - height)), int(random.integers(0, 641 - width))
    grey[top : top + height, left : left + width] = face
    return Scene(grey, left + width / 2, top + height / 2, height * FACE_SHARE)


def dense(cascade: cv2.CascadeClassifier, grey: np.ndarray, step: float, neighbors: int) -> Boxes:
    """OpenCV's own search."""
    found = cascade.detectMultiScale3(grey, step, neighbors, minSize=(30, 30), outputRejectLevels=True)[0]
    return np.reshape(found, (-1, 4))


def ours(cascade: cv2.CascadeClassifier, grey: np.ndarray, step: float, neighbors: int) -> Boxes:
    """Coarsely first."""
    return search_coarse_to_fine(cascade, grey, 30, step, neighbors)[0]


class Result(NamedTuple):
    """Boxes of every scene, and milliseconds a scene."""

    boxes: list[Boxes]
    ms: float


def run(find: Callable[..., Boxes], scenes: list[Scene], step: float, neighbors: int) -> Result:
    cascade, _ = load_cascade(find_cascade())
    find(cascade, scenes[0].grey, step, neighbors)
    start = time.process_time()
    boxes = [find(cascade, scene.grey, step, neighbors) for scene in scenes]
    return Result(boxes, 1000 * (time.process_time() - start) / len(scenes))


def row(name: str, options: HaarOptions, result: Result, scenes: list[Scene]) -> str:
    found = [any(map(scene.holds, boxes)) for scene, boxes in zip(scenes, result.boxes, strict=True)]
    shares = []
    for low, high in SIZES:
        of_size = [hit for hit, scene in zip(found, scenes, strict=True) if low <= scene.side < high]
        shares.append(f"{100 * np.mean(of_size):.1f}")
    other = sum(
        not scene.holds(box) for scene, boxes in zip(scenes, result.boxes, strict=True) for box in boxes
    )
    cells = [
        name,
        options.scale_factor,
        options.min_neighbors,
        f"{result.ms:.1f}",
        sum(found),
        *shares,
        other,
    ]
    return f"| {' | '.join(map(str, cells))} |"


def shift(reference: Result, result: Result, scenes: list[Scene]) -> str:
    """How far boxes of the same face lie apart, in fractions of their side."""
    pairs = [
        (one, other)
        for scene, first, second in zip(scenes, reference.boxes, result.boxes, strict=True)
        for one in first[:1]
        for other in second[:1]
        if scene.holds(one) and scene.holds(other)
    ]
    one, other = np.array(pairs, np.float64).swapaxes(0, 1)
    centres = (other[:, :2] + other[:, 2:] / 2 - one[:, :2] - one[:, 2:] / 2) / one[:, 2:]
    sides = other[:, 2] / one[:, 2]
    apart, (right, down) = 100 * np.abs(centres).mean(), 100 * centres.mean(axis=0)
    return (
        f"Of {len(pairs)} faces that both find, centres lie {apart:.1f} % of the side apart (mean right "
        f"{right:+.1f} %, down {down:+.1f} %), and sides are {sides.mean():.3f} times as long."
    )


def whole_row(name: str, find: Callable[..., Boxes], photos: list[Path]) -> str:
    """The photographs as they are: how often the face in the middle is found, and what else."""
    cascade, _ = load_cascade(find_cascade())
    middle = other = 0
    for photo in photos:
        grey = cv2.cvtColor(load_image(photo), cv2.COLOR_RGB2GRAY)
        height, width = grey.shape
        scene = Scene(grey, width / 2, height / 2, height * FACE_SHARE)
        held = [scene.holds(box) for box in find(cascade, grey, 1.15, 5)]
        middle, other = middle + any(held), other + held.count(False)
    return f"| {name} | {middle} of {len(photos)} | {other} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    photos = find_images(arguments.photos)
    np.random.default_rng(1).shuffle(photos)
    scenes = build_scenes(photos, min(arguments.count, len(photos)))
    default = HaarOptions()
    lines = [
        "| search | scale | neighbours | ms | found | <45 px, % | 45-70 | 70-110 | 110 on | other |",
        "|---" * 10 + "|",
    ]
    results = {}
    for options in (default, HaarOptions(1.1), HaarOptions(1.2), HaarOptions(1.15, 3)):
        for name, find in (("dense", dense), ("coarse first", ours)):
            result = run(find, scenes, options.scale_factor, options.min_neighbors)
            results[name, options] = result
            lines.append(row(name, options, result, scenes))
    lines += ["", shift(results["dense", default], results["coarse first", default], scenes)]
    lines += ["", "| whole photographs | face in the middle found | other boxes |", "|---" * 3 + "|"]
    lines += [whole_row(name, find, photos) for name, find in (("dense", dense), ("coarse first", ours))]
    said = (
        f"`python {shlex.join(sys.argv)}`, {datetime.date.today()}, {platform.machine()}, "
        f"{os.cpu_count()} cores (load {os.getloadavg()[0]:.1f}), opencv-python {version('opencv-python')}; "
        f"{len(scenes)} scenes."
    )
    report = "\n".join(["# A dense Haar search, and one that is coarse first", "", said, "", *lines, ""])
    print(report)
    if arguments.output:
        arguments.output.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
