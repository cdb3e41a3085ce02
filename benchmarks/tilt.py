"""Faces of turned heads: how many are found, and how far off their landmarks are.

    python benchmarks/tilt.py --pictures data/fairface --yunet-weights FILE

FairFace's test pictures (the detector's split) are turned about their middle; truth are the landmarks that
YuNet gives of the upright picture, a mean of four looks, turned alike. A face is found when a box holds the
middle of its landmarks. Errors are in distances between the eyes. Writes tilt.md beside this file.
"""

import argparse
import datetime
import random
import shlex
import sys
from pathlib import Path

import cv2
import numpy as np
from picture_scores import markdown

from facecli.core.images import load_image
from facecli.core.stats import wilson_interval
from facecli.data.boxes import open_boxes
from facecli.detect.registry import Detector, build_detector
from facecli.detect.yunet import YunetDetector, YunetOptions
from facecli.training.box_data import look

OUTPUT = Path(__file__).resolve().with_suffix(".md")
ANGLES = (0, 20, 40, 90, 135, 180)
SURE = 0.8


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, default=Path("data/fairface"))
    parser.add_argument("--yunet-weights", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=400)
    arguments = parser.parse_args()
    faces = known(arguments)
    detectors = {
        "cnn": build_detector("cnn"),
        "its search alone": build_detector("cnn", refine=False),
        "yunet": build_detector("yunet", None, arguments.yunet_weights, refine=False),
        "haar": build_detector("haar"),
    }
    rows = [row for angle in ANGLES for row in measured(faces, detectors, angle)]
    head = ["turned by", "detector", "found, %", "landmarks off by, median", "mean"]
    lines = [
        "# Turned heads",
        "",
        f"`python benchmarks/tilt.py {shlex.join(sys.argv[1:])}`, {datetime.date.today()}, "
        f"{len(faces)} pictures. In brackets 95 % intervals.",
        "",
        *markdown(head, rows),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    OUTPUT.write_text(text, encoding="utf-8")


def known(arguments: argparse.Namespace) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pictures with one sure face, and its landmarks (5, 2)."""
    teacher = YunetDetector(YunetOptions(arguments.yunet_weights, 0.3, longest_side=10_000))
    pictures = open_boxes(arguments.pictures).split("test", 1)
    faces = []
    for picture in random.Random(0).sample(pictures, min(arguments.limit, len(pictures))):
        image = load_image(picture.file)
        finds = look(image, teacher)
        if len(finds.scores) == 1 and finds.scores[0] >= SURE:
            faces.append((image, finds.landmarks[0]))
    return faces


def measured(faces: list, detectors: dict[str, Detector], angle: float) -> list[list[str]]:
    found: dict[str, list[float | None]] = {name: [] for name in detectors}
    for image, landmarks in faces:
        matrix, side = turn(image, angle)
        picture = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
        truth = landmarks @ matrix[:, :2].T + matrix[:, 2]
        for name, detector in detectors.items():
            found[name].append(error_of(detector.detect(picture), truth))
    return [row(angle, name, errors) for name, errors in found.items()]


def turn(image: np.ndarray, angle: float) -> tuple[np.ndarray, int]:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -angle, 1.0)
    side = int(np.ceil(np.hypot(height, width)))
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    return matrix, side


def error_of(found, truth: np.ndarray) -> float | None:
    """None without a box that holds the face; NaN where the detector knows no landmarks."""
    middle = truth.mean(axis=0)
    inside = (found.xyxy[:, :2] < middle).all(axis=1) & (found.xyxy[:, 2:] > middle).all(axis=1)
    if not inside.any():
        return None
    if found.landmarks is None:
        return float("nan")
    points = found.landmarks[int(inside.argmax())]
    return float(np.linalg.norm(points - truth, axis=-1).mean() / np.linalg.norm(truth[1] - truth[0]))


def row(angle: float, name: str, errors: list[float | None]) -> list[str]:
    seen = np.array([error for error in errors if error is not None])
    low, high = wilson_interval(len(seen), len(errors)) or (0.0, 0.0)
    share = f"{100 * len(seen) / len(errors):.1f} ({100 * low:.1f} to {100 * high:.1f})"
    off = seen[np.isfinite(seen)]
    told = [f"{100 * value:.1f} %" for value in (np.median(off), off.mean())] if len(off) else ["-", "-"]
    return [f"{angle}", name, share, *told]


if __name__ == "__main__":
    main()
