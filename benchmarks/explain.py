"""Do the heat maps of `facecli explain` mean anything? Both checks on real faces, method by method.

1. Deletion: the hottest tenth of the pixels is replaced by the blurred face, then as many pixels at
   random, then the hottest tenth's own shape at random places. Which hurts the head's result more?
2. Randomisation: every weight tensor is shuffled; the map of a model that has learnt nothing should
   not look like the map of the real one (Spearman's rank correlation of the pixels).

    python benchmarks/explain.py data/UTKFace --model facenet_model --model normal_model

Faces are drawn from the test split that the model was not trained on.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from facecli.commands.training_options import import_keras

METHODS = ("integrated-gradients", "grad-cam", "smooth-grad", "shap")
DELETION = "{:<14}{:<22}{:<9}{:>6}  {:<9}{:>9}{:>9}{:>9}{:>16}{:>14}"
RANDOMISED = "{:<14}{:<22}{:<9}{:>6}{:>14}{:>10}"
COMPLETE = "{:<14}{:<22}{:<9}{:>6}  {:<9}{:>12}{:>10}"
BOOTSTRAPS = 2000


def main() -> None:
    arguments = parse()
    import_keras()
    rows: dict[str, dict] = {"deletion": {}, "randomised": {}, "complete": {}}
    for model in arguments.model:
        measure(model, arguments, rows)
    print_tables(rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--count", type=int, default=100, help="faces for integrated gradients and Grad-CAM")
    parser.add_argument("--few", type=int, default=25, help="faces for the rest, and for randomisation")
    return parser.parse_args()


def measure(model: str, arguments: argparse.Namespace, rows: dict) -> None:
    """Fills `rows` with lists of numbers, one for each face, under (model, method, head)."""
    from facecli.data.batches import load_crops
    from facecli.explain.face import explain_face
    from facecli.explain.network import ExplainedNetwork
    from facecli.explain.target import HEADS
    from facecli.models.checkpoint import load_checkpoint
    from facecli.paths import find_model
    from facecli.training.prepare import prepare_data
    from facecli.training.start import load_network

    checkpoint = load_checkpoint(find_model(model))
    network = ExplainedNetwork(load_network(checkpoint), checkpoint)
    heads = [head for head in HEADS if head in checkpoint.heads]
    data = prepare_data(arguments.folder, checkpoint.config["seed"])
    if data.digest != checkpoint.config["split_digest"]:
        raise SystemExit(
            f"{arguments.folder} is not what {model} was split on: its test faces may be known to it"
        )
    frame = data.frame.iloc[data.rows("test")].sample(arguments.count, random_state=0)
    crops = load_crops(frame, data.folder, checkpoint.image_size, checkpoint.crop_of("none")[0])
    for number, crop in enumerate(crops):
        methods = METHODS if number < arguments.few else METHODS[:2]
        for explained in explain_face(network, crop, heads, methods):
            key = (checkpoint.name, explained.method, explained.target.head)
            rows["deletion"].setdefault(key, []).append(explained.deletion)
            if explained.heat.additive is not None:
                rows["complete"].setdefault(key, []).append(explained.heat)
        if number < arguments.few:
            for key, correlation in correlations(network, crop, heads).items():
                rows["randomised"].setdefault((checkpoint.name, *key), []).append(correlation)


def correlations(network, crop: np.ndarray, heads: list[str]) -> dict:
    """(method, head) -> (correlation of order, correlation of size) with the map of shuffled weights."""
    from facecli.explain.methods import explain
    from facecli.explain.randomise import randomised, rank_correlation
    from facecli.explain.reference import reference_of
    from facecli.explain.target import Target, predicted_target

    raw = network.predict_raw(crop[None])
    targets = [predicted_target(head, raw[head][0]) for head in heads]
    found = {}
    for method in METHODS[:3]:
        maps = explain(network, crop, targets, method, reference_of(crop))
        with randomised(network.network):
            others = explain(network, crop, targets, method, reference_of(crop))
        for target, heat, other in zip(targets, maps, others, strict=True):
            # A target without a sign orders by size.
            found[method, target.head] = (
                rank_correlation(heat.values, other.values, target),
                rank_correlation(heat.values, other.values, Target("age")),
            )
    return found


def print_tables(rows: dict) -> None:
    units = defaultdict(lambda: "log-odds", age="years")
    print("Deletion of a tenth: mean effect (95 % interval of hottest minus random: bootstrap over faces)\n")
    header = ("model", "method", "head", "faces", "unit", "hottest", "random", "shifted", "hottest-random")
    print(DELETION.format(*header, "hottest wins"))
    for (model, method, head), found in rows["deletion"].items():
        hottest, random, shifted = (
            np.array([getattr(one, f"effect_{name}") for one in found])
            for name in ("hottest", "random", "shifted")
        )
        low, high = interval(hottest - random)
        numbers = (f"{one.mean():.2f}" for one in (hottest, random, shifted))
        wins = f"{100 * (hottest > random).mean():.0f} %"
        place = (model, method, head, len(found), units[head])
        print(DELETION.format(*place, *numbers, f"{low:+.2f}..{high:+.2f}", wins))
    print("\nRandomised weights: mean rank correlation with the map of the real model\n")
    print(RANDOMISED.format("model", "method", "head", "faces", "as ordered", "by size"))
    for (model, method, head), found in rows["randomised"].items():
        ordered, size = np.mean(found, axis=0)
        print(RANDOMISED.format(model, method, head, len(found), f"{ordered:+.2f}", f"{size:+.2f}"))
    print("\nCompleteness: mean size of the difference, and of what the map's sum misses of it\n")
    print(COMPLETE.format("model", "method", "head", "faces", "unit", "difference", "missed"))
    for (model, method, head), found in rows["complete"].items():
        difference = np.mean([abs(one.additive[1] - one.additive[0]) for one in found])
        missed = np.mean([abs(one.residual) for one in found])
        place = (model, method, head, len(found), units[head])
        print(COMPLETE.format(*place, f"{difference:.2f}", f"{missed:.2f}"))


def interval(differences: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean, by resampling the faces."""
    random = np.random.default_rng(0)
    means = random.choice(differences, (BOOTSTRAPS, len(differences))).mean(axis=1)
    return tuple(np.percentile(means, [2.5, 97.5]))


if __name__ == "__main__":
    main()
