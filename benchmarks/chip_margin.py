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

from facecli.core.images import find_images, load_image
from facecli.detect.registry import Detector, build_detector

ROW = "{:<8}{:>7}{:>8}{:>10}{:>10}{:>8}{:>8}{:>8}{:>9}{:>9}"
HEADER = ("", "chips", "found", "centre_x", "centre_y", "side", "q10", "q90", "margin", "shift_y")


def main() -> None:
    arguments = parse()
    chips = find_images(arguments.folder)
    random.Random(0).shuffle(chips)
    detectors = [build_detector("cnn"), build_detector("haar")]
    if arguments.yunet:
        detectors.append(build_detector("yunet", weights=arguments.yunet))
    print(ROW.format(*HEADER))
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
    margin, shift_y = (1 / side - 1) / 2, (0.5 - centre_y) / side
    numbers = [f"{n:.3f}" for n in (centre_x, centre_y, side, low, high, margin, shift_y)]
    print(ROW.format(detector.name, len(chips), len(found), *numbers))


def box_in_chip(detector: Detector, path: Path) -> tuple[float, float, float] | None:
    """Centre x, centre y and longer side of the box nearest to the middle, in chip sides."""
    chip = load_image(path)
    height, width = chip.shape[:2]
    box = nearest_box(detector, on_canvas(chip))
    if box is None:
        return None
    centre_x, centre_y = (box[:2] + box[2:]) / 2 / (width, height) - 0.5
    return centre_x, centre_y, (box[2:] - box[:2]).max() / width


def nearest_box(detector: Detector, canvas: np.ndarray) -> np.ndarray | None:
    """xyxy of the face nearest to the middle of the canvas; None without a face."""
    xyxy, *_ = detector.detect(canvas)
    if len(xyxy) == 0:
        return None
    middle = canvas.shape[1] / 2, canvas.shape[0] / 2
    return xyxy[np.argmin(np.abs((xyxy[:, :2] + xyxy[:, 2:]) / 2 - middle).sum(axis=1))]


def on_canvas(chip: np.ndarray) -> np.ndarray:
    """The chip in the middle of twice its size; its edges go on, blurred."""
    height, width = chip.shape[:2]
    canvas = cv2.copyMakeBorder(chip, height // 2, height // 2, width // 2, width // 2, cv2.BORDER_REPLICATE)
    canvas = cv2.blur(canvas, (15, 15))
    canvas[height // 2 : height // 2 + height, width // 2 : width // 2 + width] = chip
    return canvas


if __name__ == "__main__":
    main()
