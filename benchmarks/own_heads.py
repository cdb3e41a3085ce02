"""How good is a head that is added to the shipped model, and how long does it take?

    python benchmarks/own_heads.py --boxes data/face_boxes --faces 200 1000 1600

The attribute is one that the model has never learnt: does a face wear a mask (`boxes.csv` of face_boxes)?
Faces are cut by their boxes as those of the detector `cnn`. Accuracy and log loss are of a grouped five-fold
cross-validation. Then a head is added as `facecli train --heads` does it, timed, and the answers of all other
heads are compared with those of the model before.
"""

import argparse
import csv
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from facecli.core import paths
from facecli.core.crops import crop_face
from facecli.core.images import load_image, save_image
from facecli.core.recipes import FitOptions, TrainRequest
from facecli.data.table import build_table
from facecli.models.checkpoint import load_checkpoint
from facecli.models.litert import Predictor
from facecli.training import prepare
from facecli.training.save import load_network
from facecli.training.train import train

SMALLEST, SIDE = 40, 120
"""Pixels of a box, and of the chips that are cut."""
MODELS: dict[str, Callable] = {
    **{
        f"logistic regression, C = {strength}": lambda strength=strength: LogisticRegression(
            C=strength, max_iter=2000
        )
        for strength in (0.001, 0.01, 0.1, 1)
    },
    "hidden layer of 128": lambda: MLPClassifier((128,), alpha=1, max_iter=200, random_state=0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boxes", type=Path, default=Path("data/face_boxes"))
    parser.add_argument("--faces", type=int, nargs="+", default=[200, 1000, 1600])
    arguments = parser.parse_args()
    # An optimizer that stops at its limit is part of what is compared.
    warnings.filterwarnings("ignore", module="sklearn")
    checkpoint = load_checkpoint(paths.find_model("facenet_model"))
    with tempfile.TemporaryDirectory() as folder:
        rows = cut_faces(arguments.boxes, Path(folder) / "masks", max(arguments.faces), checkpoint)
        features = features_of(checkpoint, [Path(folder) / "masks" / row["file"] for row in rows])
        print("| faces | head | right | log loss | fitted in |\n|---|---|---|---|---|")
        for count in arguments.faces:
            for name, make in MODELS.items():
                print(f"| {count} | {name} | {measured(make, features, rows, count)} |", flush=True)
        print("\n| pictures | added in | right | other answers |\n|---|---|---|---|")
        for count in arguments.faces:
            print(f"| {count} | {added(Path(folder), rows[:count], checkpoint)} |", flush=True)


def cut_faces(boxes: Path, folder: Path, count: int, checkpoint) -> list[dict]:
    """Random faces as chips; their rows have `file`, `mask_worn` and `picture`."""
    margin, shift_y = checkpoint.crop_of("cnn")
    with open(boxes / "boxes.csv", encoding="utf-8", newline="") as file:
        found = [row for row in csv.DictReader(file) if row["mask"] in ("mask", "no_mask")]
    sides = ("x_min", "y_min", "x_max", "y_max")
    large = [row for row in found if float(row["x_max"]) - float(row["x_min"]) >= SMALLEST]
    rows = []
    for number in np.random.default_rng(0).permutation(len(large))[:count]:
        row = large[number]
        image = load_image(boxes / "pictures" / row["file"])
        box = tuple(int(float(row[side])) for side in sides)
        save_image(folder / f"{number:05d}.jpg", crop_face(image, box, margin, (SIDE, SIDE), shift_y))
        rows.append(
            {"file": f"{number:05d}.jpg", "mask_worn": int(row["mask"] == "mask"), "picture": row["file"]}
        )
    return rows


def features_of(checkpoint, files: list[Path]) -> np.ndarray:
    """(n, d) what all heads of the model read."""
    network = load_network(checkpoint)
    crops = np.stack(
        [crop_face(load_image(file), (0, 0, SIDE, SIDE), 0, checkpoint.image_size) for file in files]
    )
    features = keras.Model(network.input, network.get_layer("age_dropout").output)
    return features.predict(crops, batch_size=64, verbose=0)


def measured(make: Callable, features: np.ndarray, rows: list[dict], count: int) -> str:
    """Cells of a table."""
    labels = np.array([row["mask_worn"] for row in rows[:count]])
    groups = [row["picture"] for row in rows[:count]]
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    model, started = make_pipeline(StandardScaler(), make()), time.monotonic()
    said = cross_val_predict(model, features[:count], labels, groups=groups, cv=folds, method="predict_proba")
    seconds = time.monotonic() - started
    right = (said.argmax(axis=1) == labels).mean()
    return f"{100 * right:.1f} % | {log_loss(labels, said):.3f} | {seconds:.1f} s"


def added(folder: Path, rows: list[dict], before) -> str:
    """Cells of a table; imports are not timed, everything else is."""
    os.environ["FACECLI_HOME"] = str(folder / f"home-{len(rows)}")
    started = time.monotonic()
    labelled = [{key: row[key] for key in ("file", "mask_worn")} for row in rows]
    table = build_table(folder / "masks", labelled, [], "masks")
    table = replace(table, classes={"mask_worn": ("no", "yes")})
    with mock.patch.object(prepare, "open_dataset", lambda path, **_: (folder / "masks", table)):
        data = prepare.prepare_data(folder / "masks", seed=1)
    model = train(data, TrainRequest(heads=("mask_worn",)), FitOptions())
    seconds = time.monotonic() - started
    crops = data.crops(model.image_size)
    old, new = Predictor(before).predict(crops), Predictor(model).predict(crops)
    same = all(np.array_equal(old[head], new[head]) for head in old)
    row = prepare_metrics(model)
    low, high = row["accuracy_ci95"]
    right = f"{100 * row['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f}, {row['count']} faces)"
    return f"{seconds:.0f} s | {right} | {'the same to the last bit' if same else 'changed'}"


def prepare_metrics(model) -> dict:
    from facecli.models.checkpoint import read_json

    return read_json(model.folder / "metrics.json")["mask_worn"]


if __name__ == "__main__":
    main()
