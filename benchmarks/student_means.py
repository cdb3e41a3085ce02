"""Several students of one shape together: the mean of their answers, or of their weights.

    python benchmarks/student_means.py --data-path data/UTKFace facenet_first facenet_partner facenet_sibling

The students (names or folders) went on from one with `facecli distil --initial`. Each alone, each two and
all of them, on the validation split: the test split chooses nothing. "answers": one network a student, the
mean of their log-probabilities; "weights": one network with the mean of their weights, as
`facecli distil --average` starts from. Prints a table, which student_means.md keeps.
"""

import argparse
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import keras
import numpy as np
from readme_tables import markdown

from facecli.core import paths
from facecli.core.attributes import UTKFACE_HEADS
from facecli.data.sources import load_crops
from facecli.models.checkpoint import load_checkpoint
from facecli.models.readout import expected_age
from facecli.training.evaluate import true_labels
from facecli.training.prepare import prepare_data
from facecli.training.save import load_embedding, load_network

SMALLEST = 1e-7
Logs = Mapping[str, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("students", nargs="+", help="Names or folders.")
    parser.add_argument("--data-path", type=Path, default=Path("data/UTKFace"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    data = prepare_data(arguments.data_path, arguments.seed)
    frame = data.frame.iloc[data.rows("val")]
    folders = {name: paths.find_model(name) for name in arguments.students}
    networks = {name: load_network(load_checkpoint(folder)) for name, folder in folders.items()}
    size = next(iter(networks.values())).input.shape[1:3]
    crops = load_crops(frame, data.folder, size, 0.0)
    answers = {name: log_answers(network, crops) for name, network in networks.items()}
    rows = []
    for count in range(1, len(networks) + 1):
        if 2 < count < len(networks):
            continue
        for chosen in combinations(networks, count):
            rows.append([*about(chosen, "answers"), *scores(frame, mean([answers[name] for name in chosen]))])
            if count > 1:
                joined = mean_weights(networks[chosen[0]], [folders[name] for name in chosen])
                rows.append([*about(chosen, "weights"), *scores(frame, log_answers(joined, crops))])
    print(f"{len(frame):,} faces of the validation split\n")
    print(markdown(["students", "mean of", "networks", "age MAE", "gender", "race"], rows))


def about(chosen: Sequence[str], kind: str) -> list[str]:
    networks = len(chosen) if kind == "answers" else 1
    return [", ".join(Path(name).name for name in chosen), kind if len(chosen) > 1 else "", str(networks)]


def log_answers(network: keras.Model, crops: np.ndarray) -> Logs:
    heads = keras.Model(network.input, {head: network.output[head] for head in UTKFACE_HEADS})
    said = heads.predict(crops, batch_size=128, verbose=0)
    return {head: np.log(np.maximum(values, SMALLEST)) for head, values in said.items()}


def mean(answers: Sequence[Logs]) -> Logs:
    return {head: np.mean([answer[head] for answer in answers], axis=0) for head in UTKFACE_HEADS}


def mean_weights(network: keras.Model, folders: Sequence[Path]) -> keras.Model:
    joined = keras.models.clone_model(network)
    load_embedding(joined, folders[0], folders[1:])
    return joined


def scores(frame, answers: Logs) -> list[str]:
    """MAE in years, and per cent of genders and races."""
    odds = np.exp(answers["age"])
    ages = expected_age(odds / odds.sum(axis=1, keepdims=True))
    found = [f"{np.abs(ages - true_labels(frame, 'age')).mean():.2f}"]
    for head in ("gender", "race"):
        found.append(f"{100 * (answers[head].argmax(axis=1) == true_labels(frame, head)).mean():.1f}")
    return found


if __name__ == "__main__":
    main()
