"""Which part of a UTKFace chip does each detector box, and which margin makes up for it?

Models are trained on UTKFace's chips; at run time a detector's box is cut instead. A chip is
put in the middle of a canvas that continues its border, detected there, and the box is
compared with the chip's square. `crop_face(box, margin, shift_y)` then cuts what a chip shows.

    python benchmarks/chip_margin.py data/UTKFace --yunet face_detection_yunet.onnx
"""

import argparse
import random
from pathlib import Path

import cv2
import numpy as np

from facecli.images import find_images, load_image
from facecli.vision.detect import Detector, build_detector

LONG = "{:<8}{:>7}{:>8}{:>9}{:>9}{:>9}{:>8}{:>8}{:>8}"
HEADER = ("detector", "chips", "found", "centre_x", "centre_y", "side", "side.10", "side.90", "")


def main() -> None:
    arguments = parse()
    chips = find_images(arguments.folder)
    random.Random(0).shuffle(chips)
    detectors = [build_detector("haar")]
    if arguments.yunet:
        detectors.append(build_detector("yunet", yunet_weights=arguments.yunet))
    print(LONG.format(*HEADER))
    for detector in detectors:
        report(detector, chips[: arguments.count])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--yunet", type=Path, help="ONNX file of YuNet")
    parser.add_argument("--count", type=int, default=600)
    return parser.parse_args()


def report(detector: Detector, chips: list[Path]) -> None:
    """Prints box centre and side as fractions of the chip, and the crop that undoes them."""
    found = np.array([box for path in chips if (box := box_in_chip(detector, path)) is not None])
    centre_x, centre_y, side = np.median(found, axis=0)
    low, high = np.quantile(found[:, 2], (0.1, 0.9))
    numbers = [f"{number:.3f}" for number in (centre_x, centre_y, side, low, high)]
    print(LONG.format(detector.name, len(chips), len(found), *numbers, ""))
    margin, shift_y = (1 / side - 1) / 2, (0.5 - centre_y) / side
    print(f"  -> margin {margin:.3f}, shift_y {shift_y:.3f}")


def box_in_chip(detector: Detector, path: Path) -> tuple[float, float, float] | None:
    """Centre x, centre y and longer side of the box nearest to the middle, in chip sides."""
    chip = load_image(path)
    height, width = chip.shape[:2]
    canvas = on_canvas(chip)
    xyxy, _ = detector.detect(canvas)
    if len(xyxy) == 0:
        return None
    centres = (xyxy[:, :2] + xyxy[:, 2:]) / 2 - (width / 2, height / 2)
    nearest = np.argmin(np.abs(centres - (width / 2, height / 2)).sum(axis=1))
    side = (xyxy[nearest, 2:] - xyxy[nearest, :2]).max()
    centre_x, centre_y = centres[nearest] / (width, height)
    return centre_x, centre_y, side / width


def on_canvas(chip: np.ndarray) -> np.ndarray:
    """The chip in the middle of twice its size; its edges go on, blurred."""
    height, width = chip.shape[:2]
    canvas = cv2.copyMakeBorder(chip, height // 2, height // 2, width // 2, width // 2, cv2.BORDER_REPLICATE)
    canvas = cv2.blur(canvas, (15, 15))
    canvas[height // 2 : height // 2 + height, width // 2 : width // 2 + width] = chip
    return canvas


if __name__ == "__main__":
    main()
