"""Shapes of the student: accuracy at one point of one schedule against milliseconds and megabytes.

    python benchmarks/architectures.py

PROTOCOL says how. Writes architectures.md and architectures.png beside this file.
"""

import os
import platform
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from ai_edge_litert.interpreter import Interpreter
from matplotlib.figure import Figure

from facecli.core.attributes import HEAD_CLASSES
from facecli.models.export import export_model
from facecli.models.networks import build_model

HERE = Path(__file__).resolve().parent
SIDES = {"compact": 88, "mobile-se": 144, "mobileface": 96}
EPOCHS, SCHEDULE = range(20, 25), 50
ROUNDS, CALLS = 12, 5
YARDSTICK = "MobileNetV1-112"
DTYPES = ("int8", "float16", "float32")
HEADS = tuple(HEAD_CLASSES)
PROTOCOL = """\
Accuracy is that of stage 2 of [recipe_history.md](../docs/recipe_history.md), in
[student_histories.csv](student_histories.csv): the same views, teacher, batches and step sizes for all, means
of the epochs 20 to 24 of 50, the last that all three reached, on the validation split; the test split chooses
nothing. Only `compact` ended its schedule; its last epoch is a row of its own. Milliseconds: LiteRT, one
thread, one face, median of 60 calls in rounds over all networks, so that a busy moment hits them alike.
Weights are random: time does not depend on them. MobileNetV1 at 112 pixels, float32, is the yardstick."""


def main() -> None:
    """Writes the table and the chart."""
    networks = {name: build_model(name, HEADS, (side, side)) for name, side in SIDES.items()}
    timed = {dtype: milliseconds({**networks, YARDSTICK: yardstick()}, dtype) for dtype in DTYPES}
    yard = timed["float32"].pop(YARDSTICK)["ms"]
    history = pd.read_csv(HERE / "student_histories.csv")
    rows = []
    for name, network in networks.items():
        one = history[history["backbone"] == name].set_index("epoch")
        fastest = min(DTYPES, key=lambda dtype: timed[dtype][name]["ms"])
        about = {"name": name, "side": SIDES[name], "parameters": network.count_params(), "dtype": fastest}
        about |= timed[fastest][name]
        scores = one.loc[list(EPOCHS)].mean(numeric_only=True)
        rows.append({**about, **scores, "epochs": f"{EPOCHS[0]} to {EPOCHS[-1]}"})
        if SCHEDULE in one.index:
            rows.append({**about, **one.loc[SCHEDULE], "epochs": f"{SCHEDULE}, the last"})
    (HERE / "architectures.md").write_text(page(rows, yard), encoding="utf-8")
    draw(rows, yard, HERE / "architectures.png")


def yardstick() -> keras.Model:
    image = keras.Input((112, 112, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 127.5, -1)(image)
    trunk = keras.applications.MobileNet((112, 112, 3), include_top=False, weights=None, pooling="avg")
    return keras.Model(image, {"features": trunk(x)})


def milliseconds(networks: dict[str, keras.Model], dtype: str) -> dict[str, dict[str, float]]:
    """Name -> milliseconds of a call, and megabytes of the file."""
    random = np.random.default_rng(0)
    sizes, runners, images = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, network in networks.items():
            path = Path(folder) / f"{name}.tflite"
            images[name] = random.integers(0, 256, (4, *network.input.shape[1:]), np.uint8)
            export_model(network, path, "tflite", dtype, images[name])
            sizes[name] = path.stat().st_size / 1e6
            runners[name] = Interpreter(model_content=path.read_bytes(), num_threads=1)
    runners = {name: interpreter.get_signature_runner("serve") for name, interpreter in runners.items()}
    times = {name: [] for name in runners}
    for _ in range(ROUNDS):
        for name, runner in runners.items():
            runner(image=images[name][:1])
            for _ in range(CALLS):
                start = time.perf_counter()
                runner(image=images[name][:1])
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: {"ms": float(np.median(values)), "mb": sizes[name]} for name, values in times.items()}


def page(rows: list[dict], yard: float) -> str:
    lines = ["# Shapes of the student", "", "`python benchmarks/architectures.py`", "", PROTOCOL, ""]
    lines += [
        "| `--backbone` | side | parameters | faster as | MB | ms a face | x MobileNetV1-112 "
        "| epochs | age MAE | gender | race | emotion |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        shares = (f"{row[f'val_{head}_accuracy']:.1%}" for head in ("gender", "race", "emotion"))
        lines.append(
            f"| `{row['name']}` | {row['side']} | {row['parameters']:,} | {row['dtype']} | {row['mb']:.1f} "
            f"| {row['ms']:.2f} | {row['ms'] / yard:.2f} | {row['epochs']} | {row['val_age_mae']:.2f} "
            f"| {' | '.join(shares)} |"
        )
    machine = f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores (load {os.getloadavg()[0]:.1f})"
    packages = ", ".join(f"{name} {version(name)}" for name in ("ai-edge-litert", "tensorflow", "keras"))
    lines += ["", "![Age error against milliseconds and megabytes](architectures.png)", ""]
    lines += [f"MobileNetV1-112 took {yard:.2f} ms. {machine}, {packages}."]
    return "\n".join(lines) + "\n"


def draw(rows: list[dict], yard: float, path: Path) -> None:
    figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, key, label in zip(axes, ("ms", "mb"), ("ms a face", "megabytes"), strict=True):
        for index, row in enumerate(rows):
            ended = "last" in row["epochs"]
            axis.plot(row[key], row["val_age_mae"], "o", color="#4269d0", mfc="#4269d0" if ended else "white")
            name = f"{row['name']}, {row['side']} px" + (", ended" if ended else "")
            # Two above, two below, so that neighbours can be read.
            place = (6, -13 if index // 2 % 2 else 6)
            axis.annotate(name, (row[key], row["val_age_mae"]), xytext=place, textcoords="offset points")
        axis.set(xlabel=label)
        axis.set_xlim(0, 1.6 * max(row[key] for row in rows))
        axis.grid(alpha=0.3)
        axis.margins(y=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].axvline(1.5 * yard, color="#888888", linestyle=":", label="1.5 x MobileNetV1-112")
    axes[0].set_xlim(0, max(1.7 * yard, *axes[0].get_xlim()))
    axes[0].legend(frameon=False)
    axes[0].set_ylabel("age MAE, years (validation)")
    figure.savefig(path)


if __name__ == "__main__":
    main()
