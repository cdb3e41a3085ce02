"""What the teachers know: heads on their frozen features, the ceiling that a student is held against.

    python benchmarks/teachers.py --data-path data/UTKFace --extra-data data/fairface \
        --model facenet_teacher --model facenet_model

Each row is a set of features (the genuine FaceNet's taps, the MobileNet's, both side by side) under heads
that learnt the training rows, the epoch chosen on validation rows: the mean answer of one for each crop that
FaceNet sees when a student's labels are softened (`training.teachers.LOOK_MARGINS`). "ensemble" is the mean
of the three answers; with each --model, a trained model that joins them, there is a further row. All on the
test split of the first data set, and the mean of these answers and those to the mirror images beside them.
The teachers are never shipped.
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

from facecli.core import paths
from facecli.core.attributes import UTKFACE_HEADS
from facecli.core.recipes import GENUINE, RUN_DEFAULTS, FitOptions
from facecli.data.sources import load_crops
from facecli.models.checkpoint import load_checkpoint
from facecli.training.engine import Rows, fit
from facecli.training.evaluate import evaluate, fairness_metrics
from facecli.training.prepare import PreparedData, build_targets, prepare_data
from facecli.training.save import load_network
from facecli.training.teachers import teacher_looks
from facecli.training.train import build_feature_heads

OUTPUT = Path(__file__).resolve().with_suffix(".json")
FEATURES = {"facenet": ("facenet",), "mobilenet": ("mobilenet",), "both": ("facenet", "mobilenet")}
ENSEMBLE = "ensemble"
Answers = Mapping[str, np.ndarray]
Looks = tuple[Answers, Answers]
"""To a face, and the mean of that and the one to its mirror image."""


def main() -> None:
    arguments = read_arguments()
    data = prepare_data([arguments.data_path, *arguments.extra_data], arguments.seed)
    test = data.first().rows("test")
    answers = by_features(data, test, arguments.seed)
    members = list(answers.values())
    answers[ENSEMBLE] = joined(members)
    for number, name in enumerate(arguments.model, start=1):
        members.append(by_model(data, test, name))
        answers[" + ".join([ENSEMBLE, *arguments.model[:number]])] = joined(members)
    frame = data.frame.iloc[test]
    rows = {
        name: {"one_look": measure(frame, once), "with_mirror": measure(frame, both)}
        for name, (once, both) in answers.items()
    }
    about = {
        "split": "test",
        "split_digest": data.digest,
        "seed": arguments.seed,
        "extra_data": dict(data.extra),
    }
    OUTPUT.write_text(json.dumps({**about, "teachers": rows}, indent=1) + "\n", encoding="utf-8")
    print(OUTPUT.read_text(encoding="utf-8"))


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-path", type=Path, default=Path("data/UTKFace"))
    parser.add_argument("--extra-data", type=Path, action="append", default=[], help="To learn from, too.")
    parser.add_argument("--model", action="append", default=[], help="Name or folder of one that joins.")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def by_features(data: PreparedData, test: np.ndarray, seed: int) -> dict[str, Looks]:
    """Answers of heads on each set of features to the test rows and to their mirror images."""
    seen = np.concatenate([data.rows("train"), data.rows("val"), test])
    found = {}
    for name, teachers in FEATURES.items():
        plain = teacher_looks(data, seen, teachers)
        mirrored = teacher_looks(data, test, teachers, flip=True)
        once, flipped = [], []
        for number, (look, mirror) in enumerate(zip(plain, mirrored, strict=True)):
            network = learn(look, data, seed + number)
            once.append(network.predict(look[test], batch_size=512, verbose=0))
            flipped.append(network.predict(mirror[test], batch_size=512, verbose=0))
        found[name] = mean(once), mean([*once, *flipped])
    return found


def by_model(data: PreparedData, test: np.ndarray, name: str) -> Looks:
    """Answers of a trained model, in floating point and without its calibration."""
    checkpoint = load_checkpoint(paths.find_model(name))
    network = load_network(checkpoint)
    margin = checkpoint.crop_of("none")[0]
    crops = load_crops(data.frame.iloc[test], data.folder, checkpoint.image_size, margin)
    once = network.predict(crops, batch_size=64, verbose=0)
    return once, mean([once, network.predict(crops[:, :, ::-1], batch_size=64, verbose=0)])


def joined(members: list[Looks]) -> Looks:
    return mean([once for once, _ in members]), mean([both for _, both in members])


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
