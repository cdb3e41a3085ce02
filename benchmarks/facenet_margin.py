"""How much of UTKFace's chips should FaceNet see?

    python benchmarks/facenet_margin.py --data-path data/UTKFace

Heads on the genuine FaceNet's features (as benchmarks/teachers.py trains them, one training each) of chips
cut to the margins of `training.teachers.LOOK_MARGINS`, side by side, and their mean answer; then the same
with MobileNet's features beside FaceNet's. On the validation split: the test split chooses nothing. A
positive margin repeats the edge, as chips show nothing beyond. Needs 'facecli weights get facenet' and
'facecli weights get mobilenet'. Prints a table, which facenet_margin.md keeps.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from readme_tables import markdown
from teachers import learn, mean

from facecli.models.readout import expected_age
from facecli.training.prepare import PreparedData, prepare_data
from facecli.training.teachers import LOOK_MARGINS, teacher_looks

Answers = Mapping[str, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-path", type=Path, default=Path("data/UTKFace"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    data = prepare_data(arguments.data_path, arguments.seed)
    rows = [
        row
        for teachers in (("facenet",), ("facenet", "mobilenet"))
        for row in by_margin(data, teachers, arguments.seed)
    ]
    print(f"{len(data.rows('val')):,} faces of the validation split\n")
    print(markdown(["features", "margin", "age MAE", "gender", "race"], rows))


def by_margin(data: PreparedData, teachers: Sequence[str], seed: int) -> list[list[str]]:
    looks = teacher_looks(data, np.concatenate([data.rows("train"), data.rows("val")]), teachers)
    said = [answers(look, data, seed) for look in looks]
    found = {f"{margin:g}": answer for margin, answer in zip(LOOK_MARGINS, said, strict=True)}
    found["mean of the three answers"] = mean(said)
    if teachers == ("facenet",):
        found["side by side"] = answers(np.concatenate(looks, axis=1), data, seed)
    return [[" + ".join(teachers), name, *scores(data, answer)] for name, answer in found.items()]


def answers(features: np.ndarray, data: PreparedData, seed: int) -> Answers:
    """Of heads on these features to the validation rows."""
    return learn(features, data, seed).predict(features[data.rows("val")], batch_size=512, verbose=0)


def scores(data: PreparedData, said: Answers) -> list[str]:
    frame = data.frame.iloc[data.rows("val")]
    known = (frame["race"] >= 0).to_numpy()
    age = np.abs(expected_age(said["age"]) - frame["age_years"]).mean()
    gender = (said["gender"].argmax(axis=1) == frame["gender"]).mean()
    race = (said["race"].argmax(axis=1) == frame["race"])[known].mean()
    return [f"{age:.2f}", f"{100 * gender:.1f}", f"{100 * race:.1f}"]


if __name__ == "__main__":
    main()
