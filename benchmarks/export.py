"""Every export of a model: megabytes, milliseconds, and what it answers beside Keras.

    python benchmarks/export.py --data-path data/UTKFace [--model-path facenet_model]

Milliseconds of processor time (other work on the machine counts less than on the clock): one face,
one thread, median of 60 calls in rounds over all exports, so that a busy moment hits them alike;
MobileNetV1 at 112 pixels (random weights, LiteRT float32) is the yardstick.
The difference from Keras is the largest of any probability over 500 test faces. Accuracy is that
of the whole test split, one look a face, not calibrated; int8 took its ranges from 300 faces of
the training split. Writes benchmarks/export.md; with --limit (a quick try) it only prints.
"""

import argparse
import datetime
import importlib.metadata
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from architectures import yardstick

from facecli.cli.export import training_crops
from facecli.core import paths
from facecli.data.sources import load_crops
from facecli.models.checkpoint import LITERT_FILE, Checkpoint, load_checkpoint
from facecli.models.export import export_model, export_size, heads_only
from facecli.models.export_formats import FORMATS
from facecli.models.readout import expected_age
from facecli.training.evaluate import predict_batches, true_labels
from facecli.training.prepare import PreparedData, prepare_data
from facecli.training.save import load_network

HERE = Path(__file__).resolve().parent
ROUNDS, CALLS = 12, 5
COMPARED, RANGE_FACES, BATCH = 500, 300, 32
PARITY = 1e-4
YARDSTICK = "MobileNetV1-112"
PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "onnxruntime", "tf2onnx", "numpy")

Predict = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model-path", default="facenet_model", help="name or folder")
    parser.add_argument("--data-path", type=Path, required=True)
    parser.add_argument("--limit", type=int, help="that many test faces; nothing is written")
    arguments = parser.parse_args()
    one_thread()
    checkpoint = load_checkpoint(paths.find_model(arguments.model_path))
    prepared = prepare_data(arguments.data_path, checkpoint.config["seed"])
    with tempfile.TemporaryDirectory() as folder:
        rows, notes = measure(checkpoint, prepared, arguments.limit, Path(folder))
    report = "\n".join([*heading(arguments.limit), *table(rows), "", *notes, ""])
    print(report)
    if not arguments.limit:
        (HERE / "export.md").write_text(report, encoding="utf-8")


def one_thread() -> None:
    """Before TensorFlow computes anything; the other runtimes are told when they load."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def measure(
    checkpoint: Checkpoint, prepared: PreparedData, limit: int | None, folder: Path
) -> tuple[list[dict], list[str]]:
    """A row for Keras, each export and the yardstick; and what is said below the table."""
    frame = prepared.frame.iloc[prepared.rows("test")]
    frame = frame.sample(min(limit or len(frame), len(frame)), random_state=0)
    crops = load_crops(frame, prepared.folder, checkpoint.image_size, checkpoint.crop_of("none")[0])
    network = heads_only(load_network(checkpoint), checkpoint.heads)
    exact = predict_batches(network.predict_on_batch, crops, BATCH)
    rows = [
        {
            "name": "Keras, float32 (a file of float16)",
            "mb": export_size(checkpoint.folder / "model.keras") / 1e6,
        }
    ]
    rows[0] |= accuracy(frame, exact)
    predictors: dict[str, tuple[Predict, tuple[int, int]]] = {}
    ranges = training_crops(checkpoint, prepared, RANGE_FACES)
    for file_format in FORMATS.values():
        for dtype in file_format.dtypes:
            name = f"{file_format.name}, {dtype}"
            path = folder / f"{dtype}{file_format.suffix or '-saved-model'}"
            export_model(network, path, file_format.name, dtype, ranges)
            predictors[name] = (load(path, file_format.name), checkpoint.image_size)
            found = predict_batches(predictors[name][0], crops, BATCH)
            row = {"name": name, "mb": export_size(path) / 1e6, "mark": mark(checkpoint, path, dtype)}
            rows.append({**row, **accuracy(frame, found), **difference(found, exact)})
    path = folder / "yardstick.tflite"
    export_model(yardstick(), path, "tflite", "float32")
    predictors[YARDSTICK] = (load(path, "tflite"), (112, 112))
    rows.append({"name": YARDSTICK, "mb": export_size(path) / 1e6})
    timed = milliseconds(predictors)
    for row in rows:
        row["ms"] = timed.get(row["name"])
    return rows, notes(checkpoint, prepared, rows, len(frame))


def mark(checkpoint: Checkpoint, path: Path, dtype: str) -> str:
    """Which of the exports lies in the model's folder, for the table."""
    shipped = checkpoint.config.get("exports", {}).get(LITERT_FILE, {"dtype": "float16"})["dtype"]
    return " (in the model's folder)" if (path.suffix, dtype) == (Path(LITERT_FILE).suffix, shipped) else ""


def load(path: Path, file_format: str) -> Predict:
    """An exported model as a function of crops, on one thread."""
    if file_format == "tflite":
        runner = Interpreter(model_path=str(path), num_threads=1).get_signature_runner("serve")
        return lambda crops: runner(image=crops)
    if file_format == "onnx":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return lambda crops: dict(zip(names, session.run(names, {"image": crops}), strict=True))
    loaded = tf.saved_model.load(str(path))
    return lambda crops: {head: values.numpy() for head, values in loaded.serve(crops).items()}


def accuracy(frame, predicted: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Age MAE in years and shares of right classes, over the rows that have the label."""
    scores = {}
    for head, probabilities in predicted.items():
        labels = true_labels(frame, head)
        known = labels >= 0
        if known.any() and head == "age":
            scores["age"] = float(np.abs(expected_age(probabilities) - labels)[known].mean())
        elif known.any():
            scores[head] = float((probabilities.argmax(axis=1) == labels)[known].mean())
    return scores


def difference(found: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Largest difference of a probability and mean difference of the expected age in years."""
    first = {head: (found[head][:COMPARED], exact[head][:COMPARED]) for head in exact}
    largest = max(float(np.abs(one - other).max()) for one, other in first.values())
    if "age" not in first:
        return {"largest": largest}
    one, other = map(expected_age, first["age"])
    return {"largest": largest, "years": float(np.abs(one - other).mean())}


def milliseconds(predictors: Mapping[str, tuple[Predict, tuple[int, int]]]) -> dict[str, float]:
    times = {name: [] for name in predictors}
    random = np.random.default_rng(0)
    for _ in range(ROUNDS):
        for name, (predict, image_size) in predictors.items():
            image = random.integers(0, 256, (1, *image_size, 3), np.uint8)
            predict(image)
            for _ in range(CALLS):
                start = time.process_time()
                predict(image)
                times[name].append(1000 * (time.process_time() - start))
    return {name: float(np.median(values)) for name, values in times.items()}


def table(rows: list[dict]) -> list[str]:
    yard = next(row["ms"] for row in rows if row["name"] == YARDSTICK)
    formats = {
        "MB": lambda row: f"{row['mb']:.1f}",
        "ms a face": lambda row: f"{row['ms']:.2f}",
        f"x {YARDSTICK}": lambda row: f"{row['ms'] / yard:.2f}",
        "largest difference": lambda row: f"{row['largest']:.1e}",
        "mean difference, years": lambda row: f"{row['years']:.3f}",
        "age MAE": lambda row: f"{row['age']:.3f}",
        **{head: lambda row, head=head: f"{row[head]:.2%}" for head in ("gender", "race")},
    }
    lines = [f"| export | {' | '.join(formats)} |", "|---" * (len(formats) + 1) + "|"]
    for row in rows:
        lines.append(f"| {row['name']}{row.get('mark', '')} | {' | '.join(_cells(row, formats))} |")
    return lines


def _cells(row: dict, formats: dict) -> list[str]:
    """What a row does not have is an empty cell."""
    keys = ("mb", "ms", "ms", "largest", "years", "age", "gender", "race")
    pairs = zip(keys, formats.values(), strict=True)
    return [show(row) if row.get(key) is not None else "" for key, show in pairs]


def heading(limit: int | None) -> list[str]:
    about = __doc__.split("\n\n")[2].splitlines()
    quick = [f"**A try with {limit} test faces, no result.**", ""] if limit else []
    return ["# Exports", "", *quick, *about, ""]


def notes(checkpoint: Checkpoint, prepared: PreparedData, rows: list[dict], faces: int) -> list[str]:
    worst = max(row["largest"] for row in rows if "largest" in row and row["name"].endswith("float32"))
    kept = "kept" if worst <= PARITY else "BROKEN"
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    same = checkpoint.config.get("split_digest") == prepared.digest
    split = "the split of its training" if same else "ANOTHER SPLIT than that of its training"
    return [
        f"Parity of float32 (limit {PARITY:.0e}): {worst:.1e}, {kept}.",
        "",
        f"`{checkpoint.name}` (`model.keras` {checkpoint.config['sha256']['model.keras'][:12]}), "
        f"{faces:,} test faces, {split}. {datetime.date.today()}, {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} cores ({load}), Python {platform.python_version()}, "
        f"Keras on {keras.backend.backend()}, {versions}.",
    ]


if __name__ == "__main__":
    main()
