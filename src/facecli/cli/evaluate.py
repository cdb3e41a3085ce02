"""`facecli evaluate`: measure a saved model on labelled faces."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecli.cli.detector import CNN, FOR_MEASURING, evaluate_detector, refuse_given, teacher_option
from facecli.cli.options import (
    choose_epoch,
    detector_option,
    epoch_option,
    model_given,
    model_path_option,
    model_type_option,
    text_option,
)
from facecli.cli.output import say, warn, write_text
from facecli.cli.training_options import (
    check_data,
    data_paths,
    import_keras,
    list_options,
    lists_of,
    log_to_stderr,
)
from facecli.core import paths
from facecli.core.attributes import CLASS_NAMES, FACE_HEADS, HEAD_CLASSES
from facecli.core.console import printable
from facecli.core.errors import InputError
from facecli.core.faces import with_further
from facecli.core.paths import DETECTOR

if TYPE_CHECKING:
    from pandas import DataFrame

    from facecli.core.arrays import Array
    from facecli.models.checkpoint import Checkpoint
    from facecli.training.evaluate import Evaluation
    from facecli.training.prepare import PreparedData

Row = tuple[str, str, str, str, str]
"""Head, measure, value, interval, faces."""
_NOT_BY_CLASS = ("race", "race_7", "emotion", "face")
"""Heads of which no class has a row of its own."""

SPLITS = ("train", "val", "test", "all")


def show_metrics(documents: Mapping[str, Mapping[str, Any]]) -> None:
    """Prints a table for each data set, and the mean over several, on stdout."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    tables = [
        (f"{found['model']} on {name}, {found['split']}: {found['count']} faces", metric_rows(found))
        for name, found in documents.items()
    ]
    if len(documents) > 1:
        tables.append((f"mean over {len(documents)} data sets", mean_rows(documents)))
    for title, rows in tables:
        table = Table(title=escape(printable(title)), title_justify="left")
        for column in ("head", "measure", "value", "95 % interval", "faces"):
            table.add_column(column, justify="left" if column in ("head", "measure") else "right")
        for row in rows:
            table.add_row(*row)
        Console().print(table)


def metric_rows(metrics: Mapping[str, Any]) -> list[Row]:
    """Every number in the table."""
    rows = _age_rows(metrics["age"]) if metrics.get("age", {}).get("count") else []
    if metrics.get("age_bins", {}).get("count"):
        rows += _bin_rows(metrics["age_bins"])
    further = (name for name, row in metrics.items() if isinstance(row, Mapping) and "confusion" in row)
    for head in with_further(FACE_HEADS, (name for name in further if name not in HEAD_CLASSES)):
        if metrics.get(head, {}).get("count"):
            rows += _class_rows(head, metrics[head])
    if metrics.get("face", {}).get("count"):
        rows += _refused_rows(metrics["face"])
    return rows


def mean_rows(documents: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """The same of the mean over data sets; in place of faces, the sets that have such labels."""
    from facecli.training.evaluate import mean_over_sets

    names = {
        "mae": ("age", "mean absolute error"),
        "in_bin": ("age", "expectation in its bin"),
        "outside": ("age", "years outside the bin"),
        "accuracy": (None, "accuracy"),
    }
    rows = []
    for part, means in mean_over_sets(documents).items():
        for key, value in means.items():
            if key in names:
                head, measure = names[key]
                shown = f"{value:.2f} y" if key in ("mae", "outside") else _percent(value)
                rows.append((head or part, measure, shown, "", _sets(int(means["sets"]))))
    return rows


def _sets(count: int) -> str:
    return "1 set" if count == 1 else f"{count} sets"


def _bin_rows(bins: Mapping[str, Any]) -> list[Row]:
    low, high = (100 * bound for bound in bins["in_bin_ci95"])
    first = ("age", "expectation in its bin", _percent(bins["in_bin"]), f"{low:.1f}-{high:.1f}")
    worst = min(bins["by_bin"], key=lambda name: bins["by_bin"][name]["in_bin"])
    return [
        (*first, str(bins["count"])),
        ("age", f"... at ages {worst}, the worst", _percent(bins["by_bin"][worst]["in_bin"]), "", ""),
        ("age", "years outside the bin", f"{bins['outside']:.2f} y", "", ""),
        ("age", "inside the 90 % interval", _percent(bins["coverage_90"]), "", ""),
    ]


def _age_rows(age: Mapping[str, Any]) -> list[Row]:
    low, high = age["mae_ci95"]
    worst = min(age["coverage_90_by_band"], key=age["coverage_90_by_band"].get)
    values = {
        "RMSE": f"{age['rmse']:.2f} y",
        "R2": None if age["r2"] is None else f"{age['r2']:.3f}",
        "within 5 years": _percent(age["within_5"]),
        "inside the 90 % interval": _percent(age["coverage_90"]),
        "... before calibration": _percent(age["coverage_90_raw"]),
        f"... at ages {worst}, the worst": _percent(age["coverage_90_by_band"][worst]),
    }
    bands = [
        ("age", f"right band of {name.replace('_', ' ')}", _percent(row["accuracy"]), _range(row), "")
        for name, row in age.get("bands", {}).items()
    ]
    first = ("age", "mean absolute error", f"{age['mae']:.2f} y", f"{low:.2f}-{high:.2f}", str(age["count"]))
    rest = [("age", name, value, "", "") for name, value in values.items() if value is not None]
    return [first, *rest, *bands]


def _class_rows(head: str, row: Mapping[str, Any]) -> list[Row]:
    classes = [
        (head, f"... of {name}", _percent(of["accuracy"]), _range(of), str(of["count"]))
        for name, of in (row.get("by_class", {}) if head not in _NOT_BY_CLASS else {}).items()
    ]
    return [
        (head, "accuracy", _percent(row["accuracy"]), _range(row), str(row["count"])),
        *classes,
        (head, "macro F1", f"{row['macro_f1']:.3f}", "", ""),
        (head, "calibration error", f"{row['ece']:.3f}", "", ""),
        (head, "... before calibration", f"{row['ece_raw']:.3f}", "", ""),
    ]


def _refused_rows(face: Mapping[str, Any]) -> list[Row]:
    values = {"faces refused": face["faces_refused"], "others refused": face["not_faces_refused"]}
    return [
        ("face", name, _percent(share), "", str(face["count"]))
        for name, share in values.items()
        if share is not None
    ]


def _range(row: Mapping[str, Any]) -> str:
    if row["accuracy_ci95"] is None:
        return ""
    low, high = (100 * bound for bound in row["accuracy_ci95"])
    return f"{low:.1f}-{high:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _epochs_option(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Callback of --epochs: None when not given, () for all, else the numbers."""
    if value is None or value.strip() == "all":
        return None if value is None else ()
    parts = [part.strip() for part in value.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 10**6 for part in parts):
        raise click.BadParameter(f"{value!r}: give all, or numbers of epochs, 3,5")
    return tuple(dict.fromkeys(map(int, parts)))


@click.command()
@model_type_option(further=(DETECTOR,))
@model_path_option()
@epoch_option()
@click.option(
    "--epochs",
    metavar="all|N,N",
    callback=_epochs_option,
    help="Compare kept epochs in a table and a plot: all, or these and the best.",
)
@teacher_option
@detector_option("Detector to evaluate with --model-type detector.", CNN)
@click.option(
    "--detector-weights",
    type=click.Path(path_type=Path),
    help="Weights of that detector: a file or a folder.",
)
@click.option(
    "--data-path",
    "data_paths",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Data set: a folder, archive or list of pictures; may be repeated.  [default: data/UTKFace]",
)
@list_options
@click.option("--split", type=click.Choice(SPLITS), default="test", show_default=True)
@click.option("--seed", type=int, help="Random seed of the split.  [default: the model's own]")
@click.option(
    "--limit",
    type=click.IntRange(10),
    help="Use only this many random pictures of the split, for a quick test.",
)
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True)
@click.option(
    "--runtime",
    type=click.Choice(["litert", "keras"]),
    default="litert",
    show_default=True,
    help="Which of the model's two files to evaluate.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the tables and plots.  [default: statistics/model_metrics/<model>, or a folder "
    "in it for other data, another split or a limit]",
)
@text_option(
    "json", "Write the metrics as JSON to FILE; without FILE, or with -, print them instead of the tables."
)
@click.option("--show", is_flag=True, help="Show the plots in windows.")
def evaluate(**options: Any) -> None:
    """Evaluate a saved model on a split; print a table, write tables and plots.

    Each face is used as a whole, without a detector and without test-time augmentation. Several data sets
    are evaluated separately, each with its own table; the last table is the mean over them.

    \b
    Examples:
      facecli evaluate --data-path data/UTKFace
      facecli evaluate --data-path data/UTKFace --data-path data/fairface
      facecli evaluate --model-type normal --data-path data/UTKFace --split val
      facecli evaluate --model-path my_model --epochs all --split val
      facecli evaluate --data-path data/UTKFace --json
      facecli evaluate --model-type detector --data-path data/face_boxes
    """
    if options["model_type"] == DETECTOR:
        evaluate_detector(options, data_paths(options))
        return
    refuse_given(FOR_MEASURING, detects=False)
    if options["epochs"] is not None and options["epoch"] is not None:
        raise click.UsageError(
            "--epoch evaluates one epoch, --epochs compares several; give only one of them"
        )
    log_to_stderr()
    from facecli.models.checkpoint import load_checkpoint

    choose_epoch(options)
    checkpoint = load_checkpoint(paths.find_model(model_given(options)))
    places = data_paths(options)
    check_data(places)
    from facecli.training.prepare import prepare_data

    seed = checkpoint.config.get("seed", 1) if options["seed"] is None else options["seed"]
    # Before anything is read: one that was not kept ends it.
    folders = _chosen_epochs(checkpoint.folder, options["epochs"]) if options["epochs"] is not None else None
    data = prepare_data(places, seed, lists=lists_of(options))
    if folders is not None:
        _compare_epochs(checkpoint, folders, data, options)
        return
    measured = evaluate_sets(checkpoint, data, **_measured(options))
    documents = {name: metrics for name, (metrics, _) in measured.items()}
    _tell(documents, options["json_target"])
    files = [file for _, written in measured.values() for file in written]
    say(f"wrote {len(files)} files to {', '.join(dict.fromkeys(str(file.parent) for file in files))}")
    if options["show"]:
        _open_plots(files)


def _tell(documents: Mapping[str, Mapping[str, Any]], target: str | None) -> None:
    """Writes JSON where that is asked for, and prints the tables where it does not take their place."""
    from facecli.training.evaluate import mean_over_sets

    if target is not None:
        several = {"sets": documents, "mean": mean_over_sets(documents)}
        found = several if len(documents) > 1 else next(iter(documents.values()))
        write_text(target, json.dumps(found) + "\n")
    if target != "-":
        show_metrics(documents)


def _chosen_epochs(folder: Path, numbers: Sequence[int]) -> dict[int, Path]:
    """Epoch -> model folder of those asked for, or all, and the best; by number. Raises InputError."""
    from facecli.models.registry import best_epoch, find_epoch, kept_epochs

    best = best_epoch(folder)
    if best is None:
        raise InputError(f"{folder} does not say which epoch it is; train it anew to compare epochs")
    wanted = {best, *(numbers or (one.number for one in kept_epochs(folder)))}
    return {number: find_epoch(folder, number) for number in sorted(wanted)}


def _compare_epochs(
    checkpoint: "Checkpoint", folders: Mapping[int, Path], data: "PreparedData", options: Mapping[str, Any]
) -> None:
    """Measures epochs on every set; prints a table of each set, writes tables and plots."""
    from facecli.models.checkpoint import load_checkpoint
    from facecli.training.report import epoch_row, write_epochs

    chosen = {key: options[key] for key in ("split", "runtime", "batch_size", "limit")}
    found = {}
    for name in data.sets:
        part = data.only(name)
        other = None if check_split(checkpoint, part) else name
        measured = {
            number: measure_checkpoint(load_checkpoint(folder), part, **chosen).metrics
            for number, folder in folders.items()
        }
        found[name] = [
            {"epoch": number, "best": folders[number] == checkpoint.folder, **metrics}
            for number, metrics in measured.items()
        ]
        folder = _report_folder(checkpoint.name, options["split"], options["limit"], other) / "epochs"
        if options["output"]:
            folder = options["output"] / name if len(data.sets) > 1 else options["output"]
        files = write_epochs([epoch_row(row) for row in found[name]], folder)
        say(f"wrote {', '.join(map(str, files))}")
        if options["show"]:
            _open_plots(files)
    if options["split"] in ("test", "all"):
        warn(
            "do not choose an epoch by its test results, which then become too good; choose with --split val"
        )
    if options["json_target"] is not None:
        write_text(options["json_target"], json.dumps({"model": checkpoint.name, "sets": found}) + "\n")
    if options["json_target"] != "-":
        for name, rows in found.items():
            title = f"{checkpoint.name} on {name}, {options['split']}: {rows[0]['count']} faces"
            _show_epochs(title, [epoch_row(row) for row in rows])


def _show_epochs(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row an epoch, a column a measure, each value with its 95 % interval."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    measures = list(dict.fromkeys(key for row in rows for key in row["measures"]))
    table = Table(title=escape(printable(title)), title_justify="left")
    for column in ("epoch", *measures):
        table.add_column(column, justify="right")
    for row in rows:
        cells = [_with_interval(row["measures"].get(key)) for key in measures]
        table.add_row(f"{row['epoch']}{' (best)' if row['best'] else ''}", *cells)
    Console().print(table)


def _with_interval(value: Any) -> str:
    if value is None:
        return ""
    scale, digits = (1, 2) if value.in_years else (100, 1)
    shown = f"{scale * value.value:.{digits}f}{' y' if value.in_years else ' %'}"
    if value.low is None:
        return shown
    return f"{shown} ({scale * value.low:.{digits}f}-{scale * value.high:.{digits}f})"


def _measured(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: options[key] for key in ("split", "runtime", "batch_size", "output", "limit")}


def _open_plots(files: Sequence[Path]) -> None:
    """Opens the pictures in the system's viewer, which does not block."""
    failed = [file for file in files if file.suffix == ".png" and click.launch(str(file)) != 0]
    if failed:
        warn(f"no viewer opened {failed[0]}; look at the files there")


def evaluate_sets(
    checkpoint: "Checkpoint", data: "PreparedData", **options: Any
) -> dict[str, tuple[dict[str, Any], list[Path]]]:
    """Set -> the content of its `metrics.json` and the files, of every set of prepared data.

    Options: see `evaluate_checkpoint`; an `output` holds a folder for each of several sets.
    """
    output, measured = options.pop("output", None), {}
    for name in data.sets:
        folder = output / name if output and len(data.sets) > 1 else output
        measured[name] = evaluate_checkpoint(checkpoint, data.only(name), output=folder, **options)
    return measured


def evaluate_checkpoint(
    checkpoint: "Checkpoint",
    data: "PreparedData",
    split: str = "test",
    runtime: str = "litert",
    batch_size: int = 64,
    output: Path | None = None,
    limit: int | None = None,
) -> tuple[dict[str, Any], list[Path]]:
    """Measures a checkpoint on a split of one prepared data set and writes the report.

    The numbers of a whole test split, of a set that the model has learnt from, are also written into
    the model's folder when that is one of the user's own (see `_keep_with_model`).

    Returns the content of `metrics.json` and the files.

    Raises:
        DataError: no picture falls into the split.
    """
    import pandas as pd

    from facecli.training.evaluate import skewed_classes
    from facecli.training.report import write_report

    (name,) = data.sets
    data = data.understood(checkpoint.further)
    same_split = check_split(checkpoint, data)
    evaluation = measure_checkpoint(checkpoint, data, split, runtime, batch_size, limit)
    about = {
        "model": checkpoint.name,
        "data": name,
        "split": split,
        "split_digest": data.digest,
        "runtime": runtime,
        "test_time_augmentation": False,
    }
    for sentence in skewed_classes(evaluation.metrics, name):
        warn(sentence)
    other = None if same_split else name
    folder = output or _report_folder(checkpoint.name, split, limit, other)
    history = checkpoint.folder / "history.csv"
    curves = pd.read_csv(history) if history.is_file() else None
    files = write_report(evaluation, folder, about, curves)
    if split == "test" and limit is None and runtime == "litert":
        _keep_with_model(checkpoint, about, evaluation.metrics, other)
    return {**about, **evaluation.metrics}, files


def measure_checkpoint(
    checkpoint: "Checkpoint",
    data: "PreparedData",
    split: str = "test",
    runtime: str = "litert",
    batch_size: int = 64,
    limit: int | None = None,
) -> "Evaluation":
    """The `training.evaluate.Evaluation` of a split of one data set. Raises DataError when it is empty."""
    from facecli.data.sources import load_crops
    from facecli.models.readout import load_calibration
    from facecli.training.evaluate import evaluate as run_evaluation

    frame = _rows(data.understood(checkpoint.further), split, limit)
    crops = load_crops(frame, data.folder, checkpoint.image_size, checkpoint.crop_of("none")[0])
    calibration = load_calibration(checkpoint)
    classes = CLASS_NAMES | checkpoint.further
    return run_evaluation(_predict(checkpoint, runtime), frame, crops, batch_size, calibration, classes)


def _keep_with_model(
    checkpoint: "Checkpoint", about: Mapping[str, Any], metrics: Mapping[str, Any], other: str | None
) -> None:
    """The numbers travel with the model that they are about, if it is one of the user's own.

    Of `other` data only what the model has learnt from them, and has no labels for in its own.
    """
    from facecli.models.checkpoint import read_json, write_json
    from facecli.training.report import own_numbers, with_other_data

    if checkpoint.folder.resolve().parent != paths.saved_model_dir().resolve():
        return
    path = checkpoint.folder / "metrics.json"
    before = read_json(path)
    if other is None:
        write_json(path, own_numbers(about, metrics, before))
    elif before and about["split_digest"] in learnt_digests(checkpoint):
        write_json(path, with_other_data(before, about, metrics, other))


def learnt_digests(checkpoint: "Checkpoint") -> set[str]:
    """Digests of the splits of all sets that a model has learnt from."""
    config = checkpoint.config
    # `extra_data` is what earlier releases wrote in place of `sets`.
    further = (config.get(key, {}).values() for key in ("sets", "extra_data"))
    return {config.get("split_digest"), *(digest for digests in further for digest in digests)}


def check_split(checkpoint: "Checkpoint", data: "PreparedData") -> bool:
    """Is this the data set that the model is measured on, split alike?

    Warns on stderr when the split is not that of any set that the model has learnt from.
    """
    if not set(data.sets.values()) & learnt_digests(checkpoint):
        known = ", ".join(checkpoint.config.get("sets", {})) or "its own"
        warn(
            f"{checkpoint.name} was trained with another split ({known}): if it was trained on some of "
            f"{', '.join(data.sets)}, under any name, the results are too good"
        )
    return checkpoint.config.get("split_digest") == data.digest


def _report_folder(model: str, split: str, limit: int | None, other: str | None) -> Path:
    """Only a whole test split of the model's own data may replace the report that documents quote."""
    folder = paths.statistics_dir() / "model_metrics" / model
    folder = folder / other if other else folder
    if split == "test" and limit is None:
        return folder
    return folder / (split if limit is None else f"{split}-{limit}")


def _rows(data: "PreparedData", split: str, limit: int | None) -> "DataFrame":
    """The split's part of the table, or `limit` random rows of it. Raises DataError when empty."""
    from facecli.core.errors import DataError

    frame = data.frame.iloc[data.rows(split)]
    if frame.empty:
        raise DataError(
            f"no picture of {data.folder} falls into the {split} split; give more pictures or --split all"
        )
    # Drawn after splitting: a split of a sample would hold faces that were trained on.
    return frame.sample(limit, random_state=0) if limit and limit < len(frame) else frame


def _predict(checkpoint: "Checkpoint", runtime: str) -> "Callable[[Array], Mapping[str, Array]]":
    """The model without its calibration."""
    if runtime == "litert":
        from facecli.models.litert import Predictor

        return Predictor(checkpoint).predict_raw
    import_keras()
    from facecli.training.save import load_network

    network = load_network(checkpoint)
    return lambda crops: network.predict(crops, verbose=0)
