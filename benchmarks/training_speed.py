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
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import NamedTuple

ONEDNN, INTEROP = "TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTEROP_THREADS"
FACECLI = {ONEDNN: "1", INTEROP: "1"}


class Setting(NamedTuple):
    """Of TensorFlow, and of the training."""

    environment: dict[str, str]
    precision: str = "float32"
    fused: bool = True


SETTINGS = {
    "without oneDNN": Setting({ONEDNN: "0"}),
    "oneDNN": Setting({ONEDNN: "1"}),
    "oneDNN, one operation at a time (facecli)": Setting(FACECLI),
    "facecli, Keras' own batch normalisation": Setting(FACECLI, fused=False),
    "facecli, bfloat16": Setting(FACECLI, "mixed_bfloat16"),
    "facecli, bfloat16, Keras' own batch normalisation": Setting(FACECLI, "mixed_bfloat16", fused=False),
}
ROUNDS, BATCHES, BATCH = 2, 6, 96
TAPS = {"embedding": 512, "block17": 896, "mobilenet": 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-size", type=int, default=72)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.image_size, SETTINGS[arguments.one])))
        return
    runs = {name: [] for name in SETTINGS}
    for _ in range(ROUNDS):
        for name in SETTINGS:
            runs[name].append(in_a_process(name, arguments.image_size))
    text = table(runs, arguments.image_size)
    print(text)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


def in_a_process(name: str, side: int) -> dict[str, float]:
    environment = {key: value for key, value in os.environ.items() if key not in (ONEDNN, INTEROP)}
    environment |= SETTINGS[name].environment
    command = [sys.executable, __file__, "--one", name, "--image-size", str(side)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(side: int, setting: Setting) -> dict[str, float]:
    """Images a second and cores at work, after two steps to warm up."""
    import keras
    import numpy as np

    from facecli.core.attributes import HEAD_CLASSES
    from facecli.core.recipes import FitOptions
    from facecli.models.networks import build_model
    from facecli.training.augment import build_augmentation
    from facecli.training.engine import AugmentedModel, _compile, fused_normalization

    keras.config.set_dtype_policy(setting.precision)
    network = build_model("compact", list(HEAD_CLASSES), (side, side), TAPS)
    model = AugmentedModel(network, build_augmentation((side, side)))
    _compile(model, list(network.output), FitOptions(), 100)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (BATCH, side, side, 3), np.uint8)
    sizes = {**HEAD_CLASSES, "age": HEAD_CLASSES["age"] + 1, **TAPS}
    targets = {name: random.random((BATCH, size)).astype("float32") for name, size in sizes.items()}
    with fused_normalization(network) if setting.fused else nullcontext():
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
    amx = "with AMX" if "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8") else "without AMX"
    machine = f"{os.cpu_count()} cores ({platform.machine()}, {amx}), TensorFlow {tf.__version__}"
    lines += [f"{side} pixels, {machine}, {date.today()}.", ""]
    lines += ["| setting | images a second, median | cores at work |", "|---|---|---|"]
    for name, results in runs.items():
        images, cores = (statistics.median(row[key] for row in results) for key in ("images", "cores"))
        lines.append(f"| {name} | {images:.0f} | {cores:.1f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
