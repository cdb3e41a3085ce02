"""`facecli evaluate`: measure a saved model on labelled faces."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from facecli import paths
from facecli.commands.messages import say, warn
from facecli.commands.metric_table import show_metrics
from facecli.commands.model_options import model_given, model_path_option, model_type_option
from facecli.commands.training_options import data_paths, import_keras, log_to_stderr

SPLITS = ("train", "val", "test", "all")


@click.command()
@model_type_option()
@model_path_option()
@click.option(
    "--data-path",
    "data_paths",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Folder or archive of face pictures; may recur.  [default: data/UTKFace]",
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
    help="Folder of tables and plots.  [default: statistics/model_metrics/<model>, with other data, "
    "another split or a limit a folder in it]",
)
@click.option("--json", "as_json", is_flag=True, help="Print metrics as JSON instead of a table.")
@click.option("--show", is_flag=True, help="Open the plots when they are written.")
def evaluate(**options) -> None:
    """Measure a saved model on a split; print a table, write tables and plots.

    Every face is a whole chip and is looked at once: no test-time augmentation. Several data sets are
    measured apart, each with a table of its own; the last table is the mean over them.

    \b
    Examples:
      facecli evaluate --data-path data/UTKFace
      facecli evaluate --data-path data/UTKFace --data-path data/fairface
      facecli evaluate --model-type normal --data-path data/UTKFace --split val
      facecli evaluate --data-path data/UTKFace --json
    """
    log_to_stderr()
    from facecli.models.checkpoint import load_checkpoint
    from facecli.training.evaluate import mean_over_sets
    from facecli.training.prepare import prepare_data

    checkpoint = load_checkpoint(paths.find_model(model_given(options)))
    seed = checkpoint.config.get("seed", 1) if options["seed"] is None else options["seed"]
    data = prepare_data(data_paths(options), seed)
    measured = evaluate_sets(checkpoint, data, **_measured(options))
    documents = {name: metrics for name, (metrics, _) in measured.items()}
    if options["as_json"]:
        several = {"sets": documents, "mean": mean_over_sets(documents)}
        click.echo(json.dumps(several if len(data.sets) > 1 else documents.popitem()[1]))
    else:
        show_metrics(documents)
    files = [file for _, written in measured.values() for file in written]
    say(f"wrote {len(files)} files to {', '.join(dict.fromkeys(str(file.parent) for file in files))}")
    if options["show"]:
        _open_plots(files)


def _measured(options: Mapping) -> dict:
    return {key: options[key] for key in ("split", "runtime", "batch_size", "output", "limit")}


def _open_plots(files: Sequence[Path]) -> None:
    """Opens the pictures in the system's viewer, which does not block."""
    failed = [file for file in files if file.suffix == ".png" and click.launch(str(file)) != 0]
    if failed:
        warn(f"no viewer opened {failed[0]}; look at the files there")


def evaluate_sets(checkpoint, data, **options) -> dict[str, tuple[dict, list[Path]]]:
    """Set -> the content of its `metrics.json` and the files, of every set of prepared data.

    Options: see `evaluate_checkpoint`; an `output` holds a folder for each of several sets.
    """
    output, measured = options.pop("output", None), {}
    for name in data.sets:
        folder = output / name if output and len(data.sets) > 1 else output
        measured[name] = evaluate_checkpoint(checkpoint, data.only(name), output=folder, **options)
    return measured


def evaluate_checkpoint(
    checkpoint, data, split="test", runtime="litert", batch_size=64, output=None, limit=None
):
    """Measures a checkpoint on a split of one prepared data set and writes the report.

    The numbers of a whole test split, of a set that the model has learnt from, are also written into
    the model's folder when that is one of the user's own (see `_keep_with_model`).

    Returns the content of `metrics.json` and the files.

    Raises:
        DataError: no picture falls into the split.
    """
    import pandas as pd

    from facecli.data.batches import load_crops
    from facecli.models.calibration import load_calibration
    from facecli.training.evaluate import evaluate as run_evaluation
    from facecli.training.evaluate import skewed_classes
    from facecli.training.report import write_report

    (name,) = data.sets
    same_split = check_split(checkpoint, data)
    frame = _rows(data, split, limit)
    crops = load_crops(frame, data.folder, checkpoint.image_size, checkpoint.crop_of("none")[0])
    calibration = load_calibration(checkpoint)
    evaluation = run_evaluation(_predict(checkpoint, runtime), frame, crops, batch_size, calibration)
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


def _keep_with_model(checkpoint, about: Mapping, metrics: Mapping, other: str | None) -> None:
    """The numbers travel with the model that they are about, if it is one of the user's own.

    Of `other` data only what the model has learnt from them, and has no labels for in its own.
    """
    from facecli.models.checkpoint import read_json, write_json
    from facecli.training.travelling import own_numbers, with_other_data

    if checkpoint.folder.resolve().parent != paths.saved_model_dir().resolve():
        return
    path = checkpoint.folder / "metrics.json"
    before = read_json(path)
    if other is None:
        write_json(path, own_numbers(about, metrics, before))
    elif before and about["split_digest"] in learnt_digests(checkpoint):
        write_json(path, with_other_data(before, about, metrics, other))


def learnt_digests(checkpoint) -> set[str]:
    """Digests of the splits of all sets that a model has learnt from."""
    config = checkpoint.config
    # `extra_data` is what earlier releases wrote in place of `sets`.
    further = (config.get(key, {}).values() for key in ("sets", "extra_data"))
    return {config.get("split_digest"), *(digest for digests in further for digest in digests)}


def check_split(checkpoint, data) -> bool:
    """Is this the data set that the model is measured on, split alike?

    Warns on stderr when the split is not that of any set that the model has learnt from.
    """
    if not set(data.sets.values()) & learnt_digests(checkpoint):
        known = ", ".join(checkpoint.config.get("sets", {})) or "its own"
        warn(
            f"{checkpoint.name} was split on other pictures ({known}): if it has learnt some of "
            f"{', '.join(data.sets)}, under that name or another, the figures are too good"
        )
    return checkpoint.config.get("split_digest") == data.digest


def _report_folder(model: str, split: str, limit: int | None, other: str | None) -> Path:
    """Only a whole test split of the model's own data may replace the report that documents quote."""
    folder = paths.statistics_dir() / "model_metrics" / model
    folder = folder / other if other else folder
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
    """The model without its calibration."""
    if runtime == "litert":
        from facecli.vision.predict import Predictor

        return Predictor(checkpoint).predict_raw
    import_keras()
    from facecli.training.start import load_network

    network = load_network(checkpoint)
    return lambda crops: network.predict(crops, verbose=0)
