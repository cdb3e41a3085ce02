"""`facecli evaluate`: measure a saved model on labelled faces."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from facecli import paths
from facecli.commands.training_options import data_path, import_keras, log_to_stderr

SPLITS = ("train", "val", "test", "all")


@click.command()
@click.option("--model-type", type=click.Choice(["facenet", "normal"]), default="facenet", show_default=True)
@click.option("--model-path", help="Name or folder of a model, instead of --model-type.")
@click.option(
    "--data-path",
    type=click.Path(path_type=Path),
    help="Folder or archive of face pictures.  [default: data/UTKFace]",
)
@click.option("--split", type=click.Choice(SPLITS), default="test", show_default=True)
@click.option("--seed", type=int, help="Of the split.  [default: the model's own]")
@click.option(
    "--limit", type=click.IntRange(10), help="Use that many random pictures of the split (a quick try)."
)
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True)
@click.option(
    "--runtime",
    type=click.Choice(["litert", "keras"]),
    default="litert",
    show_default=True,
    help="Which of the model's two files is measured.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of tables and plots.  [default: statistics/model_metrics/<model>, with another "
    "split or a limit a folder in it]",
)
@click.option("--json", "as_json", is_flag=True, help="Print metrics as JSON instead of a table.")
@click.option("--show", is_flag=True, help="Open the plots when they are written.")
def evaluate(**options) -> None:
    """Measure a saved model on a split; print a table, write tables and plots.

    Every face is a whole chip and is looked at once: no test-time augmentation.
    """
    log_to_stderr()
    from facecli.models.checkpoint import load_checkpoint
    from facecli.training.prepare import prepare_data

    checkpoint = load_checkpoint(paths.find_model(options["model_path"] or f"{options['model_type']}_model"))
    seed = checkpoint.config.get("seed", 1) if options["seed"] is None else options["seed"]
    data = prepare_data(data_path(options["data_path"]), seed)
    metrics, files = evaluate_checkpoint(checkpoint, data, **_measured(options))
    if options["as_json"]:
        click.echo(json.dumps(metrics))
    else:
        show_metrics(metrics)
    click.echo(f"wrote {len(files)} files to {files[0].parent}", err=True)
    if options["show"]:
        _open_plots(files)


def _measured(options: Mapping) -> dict:
    return {key: options[key] for key in ("split", "runtime", "batch_size", "output", "limit")}


def _open_plots(files: Sequence[Path]) -> None:
    """Opens the pictures in the system's viewer, which does not block."""
    failed = [file for file in files if file.suffix == ".png" and click.launch(str(file)) != 0]
    if failed:
        click.echo(f"Warning: no viewer opened {failed[0]}; look at the files there", err=True)


def evaluate_checkpoint(
    checkpoint, data, split="test", runtime="litert", batch_size=64, output=None, limit=None
):
    """Measures a checkpoint on a split of prepared data and writes the report.

    The numbers of a whole test split, with the split that the model was trained with, are also
    written into the model's folder when that is one of the user's own.

    Returns the content of `metrics.json` and the files.

    Raises:
        DataError: no picture falls into the split.
    """
    import pandas as pd

    from facecli.data.batches import load_crops
    from facecli.models.checkpoint import write_json
    from facecli.training.evaluate import evaluate as run_evaluation
    from facecli.training.report import write_report

    same_split = checkpoint.config.get("split_digest") == data.digest
    if not same_split:
        click.echo(
            f"Warning: these pictures are not the ones that {checkpoint.name} was split on: "
            "some may have been trained on",
            err=True,
        )
    frame = _rows(data, split, limit)
    crops = load_crops(frame, data.folder, checkpoint.image_size, checkpoint.crop_of("none")[0])
    evaluation = run_evaluation(_predict(checkpoint, runtime), frame, crops, batch_size)
    about = {
        "model": checkpoint.name,
        "split": split,
        "split_digest": data.digest,
        "runtime": runtime,
        "test_time_augmentation": False,
    }
    folder = output or _report_folder(checkpoint.name, split, limit)
    history = checkpoint.folder / "history.csv"
    curves = pd.read_csv(history) if history.is_file() else None
    files = write_report(evaluation, folder, about, curves)
    whole_test = split == "test" and limit is None and same_split and runtime == "litert"
    if whole_test and checkpoint.folder.resolve().parent == paths.saved_model_dir().resolve():
        # The numbers travel with the model that they are about.
        write_json(checkpoint.folder / "metrics.json", {**about, **evaluation.metrics})
    return {**about, **evaluation.metrics}, files


def _report_folder(model: str, split: str, limit: int | None) -> Path:
    """Only a whole test split may replace the report that documents quote."""
    folder = paths.statistics_dir() / "model_metrics" / model
    if split == "test" and limit is None:
        return folder
    return folder / (split if limit is None else f"{split}-{limit}")


def _rows(data, split: str, limit: int | None):
    """The split's part of the table, or `limit` random rows of it. Raises DataError when empty."""
    from facecli.errors import DataError

    frame = data.frame.iloc[data.rows(split)]
    if frame.empty:
        raise DataError(
            f"no picture of {data.folder} falls into the {split} split; give more pictures or --split all"
        )
    # Drawn after splitting: a split of a sample would hold faces that were trained on.
    return frame.sample(limit, random_state=0) if limit and limit < len(frame) else frame


def _predict(checkpoint, runtime: str):
    if runtime == "litert":
        from facecli.vision.predict import Predictor

        return Predictor(checkpoint).predict
    import_keras()
    from facecli.training.start import load_network

    network = load_network(checkpoint)
    return lambda crops: network.predict(crops, verbose=0)


def show_metrics(metrics: Mapping) -> None:
    """Prints the numbers as a table on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"{metrics['model']} on {metrics['split']}: {metrics['count']} faces", title_justify="left"
    )
    for column in ("head", "measure", "value", "95 % interval", "faces"):
        table.add_column(column, justify="left" if column in ("head", "measure") else "right")
    for row in metric_rows(metrics):
        table.add_row(*row)
    Console().print(table)


def metric_rows(metrics: Mapping) -> list[tuple[str, ...]]:
    """(head, measure, value, interval, faces) of every number in the table."""
    rows = []
    if metrics.get("age", {}).get("count"):
        age = metrics["age"]
        low, high = age["mae_ci95"]
        rows.append(
            ("age", "mean absolute error", f"{age['mae']:.2f} y", f"{low:.2f}-{high:.2f}", str(age["count"]))
        )
        rows.append(("age", "RMSE", f"{age['rmse']:.2f} y", "", ""))
        if age["r2"] is not None:
            rows.append(("age", "R2", f"{age['r2']:.3f}", "", ""))
        rows.append(("age", "within 5 years", f"{100 * age['within_5']:.1f} %", "", ""))
        rows.append(("age", "inside the 90 % interval", f"{100 * age['coverage_90']:.1f} %", "", ""))
    for head in ("gender", "race"):
        if metrics.get(head, {}).get("count"):
            row = metrics[head]
            low, high = (100 * bound for bound in row["accuracy_ci95"])
            value = f"{100 * row['accuracy']:.1f} %"
            rows.append((head, "accuracy", value, f"{low:.1f}-{high:.1f}", str(row["count"])))
            rows.append((head, "macro F1", f"{row['macro_f1']:.3f}", "", ""))
            rows.append((head, "calibration error", f"{row['ece']:.3f}", "", ""))
    return rows
