"""Which margin around a detector's box serves a trained model best?

Held-out UTKFace chips are put on a larger canvas, detected there as at run time, cut with
several margins, and read by the model. The margin in the model's config.json (row "+0.00")
should be among the best; "chip" is the chip itself, what evaluation measures.

    python benchmarks/crop_margin.py data/UTKFace --model facenet_model --detector haar
"""

import argparse
from pathlib import Path

import numpy as np
from chip_margin import nearest_box, on_canvas

from facecli.core.attributes import GENDERS, RACES
from facecli.core.crops import crop_face
from facecli.core.images import load_image
from facecli.core.paths import find_model
from facecli.detect.registry import Detector, build_detector
from facecli.models.checkpoint import load_checkpoint
from facecli.models.litert import Predictor
from facecli.models.readout import expected_age
from facecli.training.prepare import prepare_data

OFFSETS = (-0.15, -0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.25)
ROW = "{:<10}{:>8}{:>10}{:>10}{:>10}"


def main() -> None:
    arguments = parse()
    predictor = Predictor(load_checkpoint(find_model(arguments.model)))
    detector = build_detector(arguments.detector, weights=arguments.yunet)
    data = prepare_data(arguments.folder, predictor.checkpoint.config["seed"])
    rows = data.frame.iloc[data.rows("val")].sample(arguments.count, random_state=0)
    crops, labels = cut(rows, data.folder, detector, predictor)
    print(f"{arguments.model}, {detector.name}, {len(labels)} of {len(rows)} validation chips detected")
    print(ROW.format("margin", "faces", "age MAE", "gender", "race"))
    for name, images in crops.items():
        print(ROW.format(name, len(labels), *scores(predictor.predict(np.stack(images)), np.array(labels))))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="facenet_model")
    parser.add_argument("--detector", choices=["haar", "yunet"], default="haar")
    parser.add_argument("--yunet", type=Path, help="ONNX file of YuNet")
    parser.add_argument("--count", type=int, default=1000)
    return parser.parse_args()


def cut(rows, folder: Path, detector: Detector, predictor: Predictor) -> tuple[dict[str, list], list]:
    """Crops by margin, and (age_years, gender, race) of the chips whose face was detected."""
    margin, shift_y = predictor.checkpoint.crop_of(detector.name)
    whole = predictor.checkpoint.crop_of("none")[0]
    size = predictor.image_size
    crops: dict[str, list] = {"chip": [], **{f"{offset:+.2f}": [] for offset in OFFSETS}}
    labels = []
    for row in rows.itertuples():
        chip = load_image(folder / row.file)
        canvas = on_canvas(chip)
        box = nearest_box(detector, canvas)
        if box is None:
            continue
        labels.append((row.age_years, row.gender, row.race))
        crops["chip"].append(crop_face(chip, (0, 0, *chip.shape[1::-1]), whole, size))
        for offset in OFFSETS:
            crops[f"{offset:+.2f}"].append(crop_face(canvas, box, margin + offset, size, shift_y))
    return crops, labels


def scores(outputs: dict[str, np.ndarray], labels: np.ndarray) -> list[str]:
    """Age MAE in years, accuracy of gender and race; "-" for a head that the model lacks."""
    found = ["-", "-", "-"]
    if "age" in outputs:
        found[0] = f"{np.abs(expected_age(outputs['age']) - labels[:, 0]).mean():.2f}"
    for column, (head, classes) in enumerate((("gender", GENDERS), ("race", RACES)), start=1):
        known = (labels[:, column] >= 0) & (labels[:, column] < len(classes))
        if head in outputs:
            right = outputs[head].argmax(axis=1)[known] == labels[known, column]
            found[column] = f"{100 * right.mean():.1f} %"
    return found


if __name__ == "__main__":
    main()
