"""How detectors' boxes lie in pictures of faces, about the whole picture.

    python benchmarks/cuts.py --data-path data/UTKFace --data-path data/fairface --yunet-weights FILE

Each picture's largest box is turned into the square that a network would see (`chip_crop` of its entry). Its
size is told as the logarithm of its share of the side, its middle in sides of the picture. The tilt is
that of the eyes of YuNet. `training.augment` draws its cuts from what is seen here. Pictures of the
training part only. Writes cuts.md beside this file.
"""

import argparse
from datetime import date
from pathlib import Path

import cv2
import numpy as np
from picture_scores import markdown

from facecli.core.crops import chip_square
from facecli.core.images import load_image
from facecli.detect.registry import build_detector, find_entry
from facecli.training.prepare import prepare_data

PICTURES, SEED = 400, 1
PERCENTILES = (2, 10, 50, 90, 98)
BORDER = 0.3
"""Of the side, that is put around a picture before its eyes are looked for."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-path", type=Path, action="append", required=True)
    parser.add_argument("--yunet-weights", type=Path, required=True)
    arguments = parser.parse_args()
    detectors = {name: build_detector(name, None, arguments.yunet_weights) for name in ("haar", "yunet")}
    eyes = cv2.FaceDetectorYN.create(str(arguments.yunet_weights), "", (320, 320), score_threshold=0.6)
    rows = []
    for place in arguments.data_path:
        pictures = training_pictures(place)
        for name, detector in detectors.items():
            squares = [found for picture in pictures if (found := square_of(detector, picture)) is not None]
            share = f"{100 * len(squares) / len(pictures):.0f} %"
            for what, values in zip(
                ("log of size", "middle, x", "middle, y"), np.array(squares).T, strict=True
            ):
                rows.append([place.name, name, share, what, *percentiles(values, 2)])
        tilts = np.array([tilt for picture in pictures if (tilt := tilt_of(eyes, picture)) is not None])
        share = f"{100 * len(tilts) / len(pictures):.0f} %"
        rows.append([place.name, "yunet", share, "tilt, degrees", *percentiles(tilts, 1)])
    head = ["pictures", "detector", "found", "", *(f"{percentile} %" for percentile in PERCENTILES)]
    told = f"{PICTURES} random training pictures of each set, percentiles, {date.today()}."
    text = "\n".join(["# Cuts", "", *__doc__.splitlines()[4:8], "", told, "", *markdown(head, rows), ""])
    print(text)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


def training_pictures(place: Path) -> list[np.ndarray]:
    data = prepare_data(place, SEED)
    frame = data.frame.iloc[data.rows("train")].sample(PICTURES, random_state=SEED)
    return [load_image(data.folder / file) for file in frame["file"]]


def square_of(detector, picture: np.ndarray) -> tuple[float, float, float] | None:
    """Logarithm of the size, and the middle from the picture's; None without a face."""
    boxes, *_ = detector.detect(picture)
    if not len(boxes):
        return None
    largest = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
    left, top, side = chip_square(largest, *find_entry(detector.name).chip_crop)
    height, width = picture.shape[:2]
    return np.log(side / width), (left + side / 2) / width - 0.5, (top + side / 2) / height - 0.5


def tilt_of(eyes: cv2.FaceDetectorYN, picture: np.ndarray) -> float | None:
    """Degrees by which the line of the eyes is turned; None without a face."""
    border = round(BORDER * max(picture.shape[:2]))
    wide = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_REPLICATE)
    eyes.setInputSize(wide.shape[1::-1])
    _, rows = eyes.detect(cv2.cvtColor(wide, cv2.COLOR_RGB2BGR))
    if rows is None:
        return None
    right_x, right_y, left_x, left_y = max(rows, key=lambda row: row[2] * row[3])[4:8]
    return float(np.degrees(np.arctan2(left_y - right_y, left_x - right_x)))


def percentiles(values: np.ndarray, digits: int) -> list[str]:
    return [f"{value:.{digits}f}" for value in np.percentile(values, PERCENTILES)]


if __name__ == "__main__":
    main()
