"""How much of UTKFace's chips should FaceNet see?

    python benchmarks/facenet_margin.py --data-path data/UTKFace

Heads on the genuine FaceNet's features (as benchmarks/teachers.py trains them, one training each) of chips
cut to several margins, alone and side by side, on the validation split: the test split chooses nothing.
A positive margin repeats the edge, as chips show nothing beyond. Needs 'facecli weights get facenet'.
Prints a table, which facenet_margin.md keeps.
"""

import argparse
from pathlib import Path

import numpy as np
from readme_tables import markdown
from teachers import learn

from facecli.models.readout import expected_age
from facecli.training.features import FACENET_MARGIN, TAPS, facenet_features
from facecli.training.prepare import PreparedData, prepare_data

MARGINS = (FACENET_MARGIN, 0.0, 0.15)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-path", type=Path, default=Path("data/UTKFace"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    data = prepare_data(arguments.data_path, arguments.seed)
    by_margin = {f"{margin:g}": features(data, margin) for margin in MARGINS}
    by_margin["side by side"] = np.concatenate(list(by_margin.values()), axis=1)
    rows = [[margin, *scores(values, data, arguments.seed)] for margin, values in by_margin.items()]
    print(f"{len(data.rows('val')):,} faces of the validation split\n")
    print(markdown(["margin", "age MAE", "gender", "race"], rows))


def features(data: PreparedData, margin: float) -> np.ndarray:
    """(rows of the table, d) float32; zeros for test rows."""
    rows = np.concatenate([data.rows("train"), data.rows("val")])
    frame = data.frame.iloc[rows]
    files = [data.folder / file for file in frame["file"]]
    found = facenet_features(files, frame["sha256"].tolist(), margin=margin)
    table = np.zeros((len(data.frame), sum(values.shape[1] for values in found.values())), np.float32)
    table[rows] = np.concatenate([found[tap] for tap in TAPS], axis=1)
    return table


def scores(values: np.ndarray, data: PreparedData, seed: int) -> list[str]:
    rows = data.rows("val")
    frame = data.frame.iloc[rows]
    said = learn(values, data, seed).predict(values[rows], batch_size=512, verbose=0)
    known = (frame["race"] >= 0).to_numpy()
    age = np.abs(expected_age(said["age"]) - frame["age_years"]).mean()
    gender = (said["gender"].argmax(axis=1) == frame["gender"]).mean()
    race = (said["race"].argmax(axis=1) == frame["race"])[known].mean()
    return [f"{age:.2f}", f"{100 * gender:.1f}", f"{100 * race:.1f}"]


if __name__ == "__main__":
    main()
