"""Which rebalancing of age groups is best? Measured on validation rows, never on test rows.

    python benchmarks/rebalance.py --data-path data/UTKFace --seeds 1 2
    python benchmarks/rebalance.py --data-path data/UTKFace --limit 6000 --seeds 1

Heads on the frozen FaceNet trunk (features are cached) are trained with each method; a row of
the table is a method, its numbers are means over the seeds of the initial weights. The split
is the same for all. Needs the genuine weights ('facecli weights get facenet').
"""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np
from sklearn.metrics import balanced_accuracy_score

from facecli.core.recipes import GENUINE, RUN_DEFAULTS, FitOptions
from facecli.data.groups import METHODS, age_decades, rebalance
from facecli.models.readout import expected_age
from facecli.training.engine import Rows, fit
from facecli.training.prepare import PreparedData, build_targets, prepare_data
from facecli.training.teachers import TAPS, facenet_features
from facecli.training.train import build_feature_heads

HEADS = ("age", "gender", "race")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-path", type=Path, default=Path("data/UTKFace"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--limit", type=int, help="that many random pictures of the set")
    parser.add_argument("--weights", type=Path, help="FaceNet weight file, if it is not among facecli's")
    arguments = parser.parse_args()
    data = prepare_data(arguments.data_path, seed=1, limit=arguments.limit)
    files = [data.folder / file for file in data.frame["file"]]
    found = facenet_features(files, data.frame["sha256"].tolist(), arguments.weights)
    features = np.concatenate([found[tap] for tap in TAPS], axis=1)
    print("| rebalancing | age MAE | mean MAE over decades | gender | race | race, mean over classes |")
    print("|---|---|---|---|---|---|")
    for method in METHODS:
        scores = np.mean([measure(data, features, method, seed) for seed in arguments.seeds], axis=0)
        age, decades, gender, race, balanced = scores
        print(
            f"| `{method}` | {age:.2f} | {decades:.2f} | {gender:.1%} | {race:.1%} | {balanced:.1%} |",
            flush=True,
        )


def measure(data: PreparedData, features: np.ndarray, method: str, seed: int) -> list[float]:
    """MAE, mean of the decades' MAE, gender accuracy, race accuracy and its mean over classes."""
    train, val = data.rows("train"), data.rows("val")
    balanced = rebalance(data.frame.iloc[train], method, seed)
    targets = build_targets(data.frame, HEADS)
    keras.utils.set_random_seed(seed)
    network = build_feature_heads(features.shape[1], HEADS)
    options = FitOptions(**RUN_DEFAULTS[GENUINE], seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        weights = balanced.weights if method == "weights" else None
        rows = Rows(features, targets, train[balanced.rows], weights, seen=balanced.seen)
        fit(network, rows, Rows(features, targets, val), options, Path(folder))
    predicted = network.predict(features[val], batch_size=512, verbose=0)
    labels = data.frame.iloc[val]
    error = np.abs(expected_age(predicted["age"]) - labels["age_years"].to_numpy())
    decade = age_decades(labels["age_years"])
    gender, race = (predicted[head].argmax(axis=1) for head in ("gender", "race"))
    return [
        error.mean(),
        np.mean([error[decade == value].mean() for value in np.unique(decade)]),
        (gender == labels["gender"].to_numpy()).mean(),
        (race == labels["race"].to_numpy()).mean(),
        balanced_accuracy_score(labels["race"], race),
    ]


if __name__ == "__main__":
    main()
