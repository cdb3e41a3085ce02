"""Do the heat maps of `facecli explain` mean anything? Both checks on real faces, method by method.

1. Deletion: the hottest tenth of the pixels is replaced by the blurred face, then as many pixels at
   random, then the hottest tenth's own shape at random places. Which hurts the head's result more?
2. Randomisation: every weight tensor is shuffled; the map of a model that has learnt nothing should
   not look like the map of the real one (Spearman's rank correlation of the pixels).

    python benchmarks/explain.py data/UTKFace --model facenet_model --model normal_model

Faces are drawn from the test split that the model was not trained on.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facecli.cli.training_options import import_keras

METHODS = ("integrated-gradients", "grad-cam", "smooth-grad", "shap")
DELETION = "{:<14}{:<22}{:<9}{:>6}  {:<9}{:>9}{:>9}{:>9}{:>16}{:>14}"
RANDOMISED = "{:<14}{:<22}{:<9}{:>6}{:>14}{:>10}"
COMPLETE = "{:<14}{:<22}{:<9}{:>6}  {:<9}{:>12}{:>10}"
BOOTSTRAPS = 2000


def main() -> None:
    arguments = parse()
    import_keras()
    print_tables([record for model in arguments.model for record in measure(model, arguments)])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--count", type=int, default=100, help="faces for integrated gradients and Grad-CAM")
    parser.add_argument("--few", type=int, default=20, help="faces for the rest, and for randomisation")
    parser.add_argument("--keep", type=Path, help="file of finished faces, to go on after an interruption")
    return parser.parse_args()


def measure(model: str, arguments: argparse.Namespace) -> Iterator[dict]:
    """Records of all faces: model, method and head, with what was measured."""
    from facecli.core.paths import find_model
    from facecli.data.sources import load_crops
    from facecli.explain.network import ExplainedNetwork
    from facecli.models.checkpoint import load_checkpoint
    from facecli.training.prepare import prepare_data
    from facecli.training.save import load_network

    checkpoint = load_checkpoint(find_model(model))
    network = ExplainedNetwork(load_network(checkpoint), checkpoint)
    data = prepare_data(arguments.folder, checkpoint.config["seed"])
    if data.digest != checkpoint.config["split_digest"]:
        raise SystemExit(f"{model} was not split on {arguments.folder}: it may know its test faces")
    frame = data.frame.iloc[data.rows("test")].sample(arguments.count, random_state=0)
    crops = load_crops(frame, data.folder, checkpoint.image_size, checkpoint.crop_of("none")[0])
    done = kept(arguments.keep)
    for number, crop in enumerate(crops):
        key = f"{model} {number} {number < arguments.few}"
        if key not in done:
            done[key] = list(face_records(network, crop, number < arguments.few))
            keep(arguments.keep, key, done[key])
        yield from done[key]


def kept(path: Path | None) -> dict[str, list]:
    """Faces of an earlier run."""
    if path is None or not path.exists():
        return {}
    return dict(map(json.loads, path.read_text(encoding="utf-8").splitlines()))


def keep(path: Path | None, key: str, records: list) -> None:
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, records]) + "\n")


def face_records(network, crop: np.ndarray, full: bool) -> Iterator[dict]:
    """One record for each method and head; `full` has all methods, and the randomised weights."""
    from facecli.explain.face import explain_face
    from facecli.explain.heat_map import HEADS

    heads = [head for head in HEADS if head in network.heads]
    found = correlations(network, crop, heads) if full else {}
    for explained in explain_face(network, crop, heads, METHODS if full else METHODS[:2]):
        place = {"method": explained.method, "head": explained.target.head}
        record = {"model": network.checkpoint.name, **place}
        for name in ("hottest", "random", "shifted"):
            record[name] = getattr(explained.deletion, f"effect_{name}")
        if explained.heat.additive is not None:
            before, after = explained.heat.additive
            record |= {"difference": abs(after - before), "missed": abs(explained.heat.residual)}
        yield {**record, **found.get(tuple(place.values()), {})}


def correlations(network, crop: np.ndarray, heads: list[str]) -> dict:
    """(method, head) -> rank correlations with the map of shuffled weights, as ordered and by size."""
    from facecli.explain.face import randomised, rank_correlation
    from facecli.explain.heat_map import Target, predicted_target
    from facecli.explain.methods import compute_heat_maps, reference_of

    read = network.predict(crop[None])
    targets = [predicted_target(head, read[head][0]) for head in heads]
    found = {}
    for method in METHODS[:3]:
        maps = compute_heat_maps(network, crop, targets, method, reference_of(crop))
        with randomised(network.network):
            others = compute_heat_maps(network, crop, targets, method, reference_of(crop))
        for target, heat, other in zip(targets, maps, others, strict=True):
            found[method, target.head] = {
                "ordered": rank_correlation(heat.values, other.values, target),
                # An age has no side: it is ordered by size.
                "size": rank_correlation(heat.values, other.values, Target("age")),
            }
    return found


def print_tables(records: list[dict]) -> None:
    print("Deletion of a tenth: mean effect (95 % interval of hottest minus random: bootstrap over faces)\n")
    header = ("model", "method", "head", "faces", "unit", "hottest", "random", "shifted", "hottest-random")
    print(DELETION.format(*header, "hottest wins"))
    for place, columns in grouped(records, "hottest", "random", "shifted"):
        hottest, random, _ = columns
        low, high = interval(hottest - random)
        means = (f"{one.mean():.2f}" for one in columns)
        wins = f"{100 * (hottest > random).mean():.0f} %"
        print(DELETION.format(*place, len(hottest), unit(place), *means, f"{low:+.2f}..{high:+.2f}", wins))
    print("\nRandomised weights: mean rank correlation with the map of the real model\n")
    print(RANDOMISED.format("model", "method", "head", "faces", "as ordered", "by size"))
    for place, columns in grouped(records, "ordered", "size"):
        print(RANDOMISED.format(*place, len(columns[0]), *(f"{one.mean():+.2f}" for one in columns)))
    print("\nCompleteness: mean size of the difference, and of what the map's sum misses of it\n")
    print(COMPLETE.format("model", "method", "head", "faces", "unit", "difference", "missed"))
    for place, columns in grouped(records, "difference", "missed"):
        means = (f"{one.mean():.2f}" for one in columns)
        print(COMPLETE.format(*place, len(columns[0]), unit(place), *means))


def grouped(records: list[dict], *names: str) -> Iterator[tuple[tuple, list[np.ndarray]]]:
    """(model, method, head) with an array for each name, of the records that have them."""
    groups: dict[tuple, list] = {}
    for record in records:
        if names[0] in record:
            place = (record["model"], record["method"], record["head"])
            groups.setdefault(place, []).append([record[name] for name in names])
    for place, rows in groups.items():
        yield place, list(np.array(rows).T)


def unit(place: tuple) -> str:
    return "years" if place[2] == "age" else "log-odds"


def interval(differences: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean, by resampling the faces."""
    random = np.random.default_rng(0)
    means = random.choice(differences, (BOOTSTRAPS, len(differences))).mean(axis=1)
    return tuple(np.percentile(means, [2.5, 97.5]))


if __name__ == "__main__":
    main()
