"""Training steps a second of the student, with and without the settings that facecli gives TensorFlow.

    python benchmarks/training_speed.py [--image-size 72]

Each setting runs in a process of its own, in turns over ROUNDS rounds, so that a busy moment hits all
alike: the student with all heads and features, batches of 96 random pictures, augmentation included.
Writes training_speed.md beside this file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ONEDNN, INTEROP = "TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTEROP_THREADS"
SETTINGS = {
    "without oneDNN": {ONEDNN: "0"},
    "oneDNN": {ONEDNN: "1"},
    "oneDNN, one operation at a time (facecli)": {ONEDNN: "1", INTEROP: "1"},
}
ROUNDS, BATCHES, BATCH = 2, 6, 96
TAPS = {"embedding": 512, "block17": 896, "mobilenet": 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-size", type=int, default=72)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.image_size)))
        return
    runs = {name: [] for name in SETTINGS}
    for _ in range(ROUNDS):
        for name, setting in SETTINGS.items():
            runs[name].append(in_a_process(setting, arguments.image_size))
    text = table(runs, arguments.image_size)
    print(text)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


def in_a_process(setting: dict[str, str], side: int) -> dict[str, float]:
    environment = {key: value for key, value in os.environ.items() if key not in (ONEDNN, INTEROP)}
    command = [sys.executable, __file__, "--one", "--image-size", str(side)]
    done = subprocess.run(command, env={**environment, **setting}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(side: int) -> dict[str, float]:
    """Images a second and cores at work, after two steps to warm up."""
    import numpy as np

    from facecli.labels import HEAD_CLASSES
    from facecli.recipes import FitOptions
    from facecli.training.augment import build_augmentation
    from facecli.training.distil import build_student
    from facecli.training.engine import AugmentedModel, _compile

    network = build_student("compact", list(HEAD_CLASSES), TAPS, (side, side))
    model = AugmentedModel(network, build_augmentation((side, side)))
    _compile(model, list(network.output), FitOptions(), 100)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (BATCH, side, side, 3), np.uint8)
    sizes = {**HEAD_CLASSES, "age": HEAD_CLASSES["age"] + 1, **TAPS}
    targets = {name: random.random((BATCH, size)).astype("float32") for name, size in sizes.items()}
    for _ in range(2):
        model.train_on_batch(images, targets)
    clock, processor = time.perf_counter(), time.process_time()
    for _ in range(BATCHES):
        model.train_on_batch(images, targets)
    seconds = time.perf_counter() - clock
    return {"images": BATCH * BATCHES / seconds, "cores": (time.process_time() - processor) / seconds}


def table(runs: dict[str, list[dict[str, float]]], side: int) -> str:
    import platform

    import tensorflow as tf

    lines = ["# Training speed", "", *__doc__.splitlines()[4:7], ""]
    lines += [
        f"{side} pixels, {os.cpu_count()} cores ({platform.machine()}), TensorFlow {tf.__version__}.",
        "",
    ]
    lines += ["| setting | images a second, median | cores at work |", "|---|---|---|"]
    for name, results in runs.items():
        images, cores = (statistics.median(row[key] for row in results) for key in ("images", "cores"))
        lines.append(f"| {name} | {images:.0f} | {cores:.1f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
