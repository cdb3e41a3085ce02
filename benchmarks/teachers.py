"""What the teachers know: heads on their frozen features, the ceiling that a student is held against.

    python benchmarks/teachers.py --data-path data/UTKFace

Each row is a set of features (the genuine FaceNet's taps, the MobileNet's, both side by side) under heads
that learnt the training rows, the epoch chosen on validation rows; "ensemble" is the mean of the three
answers. All on the test split, one look a face and the mean of a face and its mirror image. The teachers
are never shipped; a student's soft labels come from heads of this shape, out of fold.
Needs 'facecli weights get facenet' and 'facecli weights get mobilenet'. Writes teachers.json, which
benchmarks/accuracy.py reads.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from facecli.labels import UTKFACE_HEADS
from facecli.recipes import GENUINE, RUN_DEFAULTS, FitOptions
from facecli.training.engine import Rows, fit
from facecli.training.evaluate import evaluate
from facecli.training.fairness import fairness_metrics
from facecli.training.features import TAPS, facenet_features, mobilenet_features
from facecli.training.prepare import PreparedData, prepare_data
from facecli.training.targets import build_targets
from facecli.training.transfer import build_feature_heads

OUTPUT = Path(__file__).resolve().with_suffix(".json")
ENSEMBLE = "ensemble"
Answers = Mapping[str, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-path", type=Path, default=Path("data/UTKFace"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    data = prepare_data(arguments.data_path, arguments.seed)
    test = data.rows("test")
    plain, mirrored = features(data, np.arange(len(data.frame))), features(data, test, flip=True)
    answers: dict[str, tuple[Answers, Answers]] = {}
    for name, values in plain.items():
        network = learn(values, data, arguments.seed)
        once = network.predict(values[test], batch_size=512, verbose=0)
        flipped = network.predict(mirrored[name], batch_size=512, verbose=0)
        answers[name] = once, mean([once, flipped])
    answers[ENSEMBLE] = tuple(mean([answers[name][look] for name in plain]) for look in (0, 1))
    frame = data.frame.iloc[test]
    rows = {
        name: {"one_look": measure(frame, once), "with_mirror": measure(frame, both)}
        for name, (once, both) in answers.items()
    }
    about = {"split": "test", "split_digest": data.digest, "seed": arguments.seed, "teachers": rows}
    OUTPUT.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(about, indent=1))


def features(data: PreparedData, rows: np.ndarray, flip: bool = False) -> dict[str, np.ndarray]:
    """Teacher -> (n, d) features of these rows."""
    frame = data.frame.iloc[rows]
    files, keys = [data.folder / file for file in frame["file"]], frame["sha256"].tolist()
    found = facenet_features(files, keys, flip=flip)
    facenet = np.concatenate([found[tap] for tap in TAPS], axis=1)
    mobilenet = mobilenet_features(files, keys, flip=flip)["mobilenet"]
    return {"facenet": facenet, "mobilenet": mobilenet, "both": np.concatenate([facenet, mobilenet], axis=1)}


def learn(values: np.ndarray, data: PreparedData, seed: int) -> keras.Model:
    """Heads on features, trained as `train --backbone inception-resnet-v1` trains them."""
    targets = build_targets(data.frame, UTKFACE_HEADS)
    keras.utils.set_random_seed(seed)
    network = build_feature_heads(values.shape[1], UTKFACE_HEADS)
    train, val = (Rows(values, targets, data.rows(split)) for split in ("train", "val"))
    with tempfile.TemporaryDirectory() as folder:
        fit(network, train, val, FitOptions(**RUN_DEFAULTS[GENUINE], seed=seed), Path(folder))
    return network


def mean(answers: list[Answers]) -> Answers:
    return {head: np.mean([answer[head] for answer in answers], axis=0) for head in UTKFACE_HEADS}


def measure(frame: pd.DataFrame, answers: Answers) -> dict:
    """The keys of a model's `metrics.json` that the scoreboard shows."""

    def look_up(rows: np.ndarray) -> Answers:
        return {head: values[rows] for head, values in answers.items()}

    metrics = evaluate(look_up, frame, np.arange(len(frame))).metrics
    adults = fairness_metrics(frame, answers)["age_21_60"]
    return {
        "count": metrics["count"],
        "age": _kept(metrics["age"], "mae"),
        "gender": _kept(metrics["gender"], "accuracy"),
        "race": _kept(metrics["race"], "accuracy"),
        "age_21_60": {
            "count": adults["count"],
            **_kept(adults, "age_mae"),
            **_kept(adults, "gender_accuracy"),
        },
    }


def _kept(metrics: Mapping, name: str) -> dict:
    return {key: metrics[key] for key in (name, f"{name}_ci95")}


if __name__ == "__main__":
    main()
