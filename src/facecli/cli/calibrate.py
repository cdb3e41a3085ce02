"""`facecli calibrate`: make a saved model's probabilities mean what they say."""

from pathlib import Path

import click

from facecli.cli.evaluate import check_split
from facecli.cli.options import model_given, model_path_option, model_type_option
from facecli.cli.output import say, warn
from facecli.cli.training_options import data_options, data_paths, import_keras, log_to_stderr
from facecli.core import paths
from facecli.core.errors import InputError


@click.command()
@model_type_option()
@model_path_option()
@data_options
@click.option("--seed", type=int, help="Of the split.  [default: the model's own]")
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True)
def calibrate(**options) -> None:
    """Fit temperatures and the age interval of a model of yours on the validation split.

    'facecli train' does this at its end; it is needed for older models and other data. Only
    config.json is written. 'facecli evaluate' tells what it changed.

    \b
    Examples:
      facecli calibrate --model-path my_model --data-path data/UTKFace
    """
    log_to_stderr()
    from facecli.models.checkpoint import load_checkpoint

    name = model_given(options)
    checkpoint = load_checkpoint(paths.find_model(name))
    if not _is_own(checkpoint.folder, options["model_path"]):
        raise InputError(
            f"{checkpoint.folder} ships with facecli and is not changed; copy it to "
            f"{paths.saved_model_dir() / checkpoint.folder.name} first"
        )
    import_keras()
    from facecli.training.calibrate import calibrate as fit
    from facecli.training.prepare import prepare_data

    seed = checkpoint.config.get("seed", 1) if options["seed"] is None else options["seed"]
    data = prepare_data(data_paths(options), seed)
    check_split(checkpoint, data)
    _show(fit(checkpoint, data, options["batch_size"]))


def _is_own(folder: Path, given: str | None) -> bool:
    """Does the model lie among the user's own, or was its folder named?"""
    named = given is not None and Path(given).expanduser().resolve() == folder.resolve()
    return named or folder.resolve().parent == paths.saved_model_dir().resolve()


def _show(checkpoint) -> None:
    calibration = checkpoint.config["calibration"]
    temperatures, uncertain = calibration["temperatures"], calibration.get("uncertain_below", {})
    for head in dict.fromkeys((*temperatures, *uncertain)):
        told = [f"temperature {temperatures[head]:.3f}"] if head in temperatures else []
        told += [f"uncertain below {uncertain[head]:.2f}"] if head in uncertain else []
        click.echo(f"{head}: {', '.join(told)}")
    if knots := calibration.get("age_interval"):
        click.echo(f"age: 90 % interval with thresholds at {len(knots['ages'])} ages")
    if (threshold := calibration.get("face_threshold")) is not None:
        click.echo(f"face: refused below {threshold:.3f}")
    if not calibration["temperatures"] and not knots:
        warn("too few labelled faces in the validation split; nothing was fitted")
    say(f"wrote {checkpoint.folder / 'config.json'}")
