"""Students of several shapes after the same training: accuracy against milliseconds and megabytes.

    python benchmarks/architectures.py --data-path data/UTKFace compact=FOLDER mobile-se=FOLDER ...

Each FOLDER was written by `facecli distil --backbone NAME` with options that are otherwise the
same (the table names them). Accuracy is on the validation split: the test split chooses nothing.
Milliseconds: LiteRT, one thread, one face, median of 60 calls in rounds over all networks, so
that a busy moment hits them alike; MobileNetV1 at 112 pixels (random weights) is the yardstick.
Writes architectures.md and architectures.png beside this file.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from matplotlib.figure import Figure

from facecli.models.checkpoint import load_checkpoint
from facecli.models.export import export_tflite
from facecli.models.readout import expected_age
from facecli.training.prepare import prepare_data
from facecli.training.start import load_network

HERE = Path(__file__).resolve().parent
ROUNDS, CALLS = 12, 5
HEADS = ("age", "gender", "race")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("students", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--data-path", type=Path, required=True)
    arguments = parser.parse_args()
    folders = dict(student.split("=", 1) for student in arguments.students)
    checkpoints = {name: load_checkpoint(Path(folder)) for name, folder in folders.items()}
    data = prepare_data(arguments.data_path, next(iter(checkpoints.values())).config["seed"])
    rows, networks = [], {}
    for name, checkpoint in checkpoints.items():
        networks[name] = only_heads(load_network(checkpoint))
        rows.append({"name": name, **accuracy(networks[name], data), **recipe(checkpoint)})
    networks["MobileNetV1-112"] = yardstick()
    timed = milliseconds(networks)
    for row in rows:
        row.update(timed[row["name"]])
    write_table(rows, timed["MobileNetV1-112"], HERE / "architectures.md")
    draw(rows, HERE / "architectures.png")


def only_heads(network: keras.Model) -> keras.Model:
    return keras.Model(network.input, {head: network.output[head] for head in HEADS})


def yardstick() -> keras.Model:
    image = keras.Input((112, 112, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 127.5, -1)(image)
    trunk = keras.applications.MobileNet((112, 112, 3), include_top=False, weights=None, pooling="avg")
    return keras.Model(image, {"features": trunk(x)})


def accuracy(network: keras.Model, data) -> dict[str, float]:
    rows = data.rows("val")
    frame = data.frame.iloc[rows]
    predicted = network.predict(data.crops(network.input.shape[1:3])[rows], verbose=0)
    known = (frame["race"] >= 0).to_numpy()
    return {
        "mae": float(np.abs(expected_age(predicted["age"]) - frame["age_years"]).mean()),
        "gender": float((predicted["gender"].argmax(1) == frame["gender"]).mean()),
        "race": float((predicted["race"].argmax(1) == frame["race"])[known].mean()),
        "faces": len(rows),
        "side": network.input.shape[1],
        "parameters": network.count_params(),
    }


def recipe(checkpoint) -> dict:
    config = checkpoint.config
    return {"command": config["command"], "minutes": config["duration_s"] / 60}


def milliseconds(networks: dict[str, keras.Model]) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        runners, sizes = {}, {}
        for name, network in networks.items():
            path = export_tflite(network, Path(folder) / f"{name}.tflite", half=True)
            sizes[name] = path.stat().st_size / 1e6
            interpreter = Interpreter(model_content=path.read_bytes(), num_threads=1)
            runners[name] = interpreter.get_signature_runner("serve")
        times = {name: [] for name in runners}
        for _ in range(ROUNDS):
            for name, runner in runners.items():
                image = np.zeros((1, *networks[name].input.shape[1:]), np.uint8)
                runner(image=image)
                for _ in range(CALLS):
                    start = time.perf_counter()
                    runner(image=image)
                    times[name].append(1000 * (time.perf_counter() - start))
    return {name: {"ms": float(np.median(values)), "mb": sizes[name]} for name, values in times.items()}


def write_table(rows: list[dict], yard: dict[str, float], path: Path) -> None:
    lines = [
        "# Shapes of the student",
        "",
        *(line for line in __doc__.splitlines()[4:9] if line),
        "",
        "| student | side | parameters | MB | ms a face | x MobileNetV1-112 "
        "| age MAE | gender | race | training, minutes |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| `{row['name']}` | {row['side']} | {row['parameters']:,} | {row['mb']:.1f} | {row['ms']:.2f} "
            f"| {row['ms'] / yard['ms']:.2f} | {row['mae']:.2f} | {row['gender']:.1%} | {row['race']:.1%} "
            f"| {row['minutes']:.0f} |"
        )
    lines += ["", f"MobileNetV1-112: {yard['ms']:.2f} ms. {rows[0]['faces']:,} validation faces.", ""]
    lines += [f"* `{row['name']}`: `{row['command']}`" for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(json.dumps(rows, indent=1))


def draw(rows: list[dict], path: Path) -> None:
    figure = Figure(figsize=(8, 4), dpi=120, layout="constrained")
    for axis, key, label in zip(figure.subplots(1, 2), ("ms", "mb"), ("ms a face", "megabytes"), strict=True):
        axis.scatter([row[key] for row in rows], [row["mae"] for row in rows], color="#4269d0")
        for row in rows:
            axis.annotate(row["name"], (row[key], row["mae"]), xytext=(5, 5), textcoords="offset points")
        axis.set(xlabel=label, ylabel="age MAE, years (validation)")
        axis.grid(alpha=0.3)
        axis.margins(0.25)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
