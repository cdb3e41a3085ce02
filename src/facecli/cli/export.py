"""`facecli calibrate` and `facecli export`: what a trained model goes through before others run it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecli.cli.evaluate import check_split
from facecli.cli.options import (
    choose_epoch,
    epoch_option,
    model_given,
    model_path_option,
    model_type_option,
)
from facecli.cli.output import say, show_text, warn
from facecli.cli.training_options import (
    check_data,
    data_options,
    data_paths,
    import_keras,
    lists_of,
    log_to_stderr,
)
from facecli.core import paths
from facecli.core.errors import DataError, InputError

if TYPE_CHECKING:
    from facecli.core.arrays import Array
    from facecli.data.listed import ListOptions
    from facecli.models.checkpoint import Checkpoint
    from facecli.training.prepare import PreparedData


@click.command()
@model_type_option()
@model_path_option()
@data_options
@click.option("--seed", type=int, help="Random seed of the split.  [default: the model's own]")
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True)
def calibrate(**options: Any) -> None:
    """Calibrate the probabilities and the age interval of your own model on the validation split.

    'facecli train' does this at its end, so you need it only for older models and other data. It changes
    only config.json. 'facecli evaluate' shows the effect.

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
    places = data_paths(options)
    check_data(places)
    import_keras()
    from facecli.training.calibrate import calibrate as fit
    from facecli.training.prepare import prepare_data

    seed = checkpoint.config.get("seed", 1) if options["seed"] is None else options["seed"]
    data = prepare_data(places, seed, lists=lists_of(options))
    check_split(checkpoint, data)
    _show(fit(checkpoint, data, options["batch_size"]))


def _is_own(folder: Path, given: str | None) -> bool:
    """Does the model lie among the user's own, or was its folder named?"""
    named = given is not None and Path(given).expanduser().resolve() == folder.resolve()
    return named or folder.resolve().parent == paths.saved_model_dir().resolve()


def _show(checkpoint: "Checkpoint") -> None:
    calibration = checkpoint.config["calibration"]
    temperatures, uncertain = calibration["temperatures"], calibration.get("uncertain_below", {})
    for head in dict.fromkeys((*temperatures, *uncertain)):
        told = [f"temperature {temperatures[head]:.3f}"] if head in temperatures else []
        told += [f"uncertain below {uncertain[head]:.2f}"] if head in uncertain else []
        show_text(f"{head}: {', '.join(told)}")
    if knots := calibration.get("age_interval"):
        show_text(f"age: 90 % interval with thresholds at {len(knots['ages'])} ages")
    if (threshold := calibration.get("face_threshold")) is not None:
        show_text(f"face: refused below {threshold:.3f}")
    if not calibration["temperatures"] and not knots:
        warn("too few labelled faces in the validation split; nothing was calibrated")
    say(f"wrote {checkpoint.folder / 'config.json'}")


FORMATS = ("tflite", "onnx", "saved_model")
DTYPES = ("float32", "float16", "int8")


@click.command()
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    default="tflite",
    show_default=True,
    help="onnx needs pip install 'facecli[export]'.",
)
@click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    help="Data type of the weights; int8 (tflite only) also quantises the activations.  [default: "
    "float16 if the format has it]",
)
@model_type_option()
@model_path_option()
@epoch_option()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="File, or folder for a SavedModel; an existing one is replaced.  [default: "
    "<model>-<dtype>.<format> in the current folder]",
)
@data_options
@click.option(
    "--range-faces",
    type=click.IntRange(1),
    default=300,
    show_default=True,
    help="int8: number of random training faces of --data-path that set the activation ranges.",
)
def export(**options: Any) -> None:
    """Convert a saved model for another runtime, with a description of its outputs.

    Prints "<sha256>  <path>". Writes <file>.json beside the file, a copy of the model's config.json
    with that digest; for a file in the model's own folder, its config.json is updated instead.
    Input: `image`, (n, h, w, 3) uint8 RGB; outputs: the probabilities of each head, not calibrated.

    \b
    Examples:
      facecli export --format onnx --output model.onnx
      facecli export --model-path my_model --epoch 23
      facecli export --format tflite --dtype int8 --data-path data/UTKFace --output small.tflite
    """
    log_to_stderr()
    from facecli.models.checkpoint import load_checkpoint
    from facecli.models.export import check_output, check_place, resolve_format

    choose_epoch(options)
    chosen, dtype = resolve_format(options["file_format"], options["dtype"])
    name = model_given(options)
    checkpoint = load_checkpoint(paths.find_model(name))
    path = options["output"] or Path(f"{checkpoint.name}-{dtype}{chosen.suffix}")
    check_output(path, chosen)
    check_place(path, checkpoint)
    data = data_paths(options) if dtype == "int8" else ()
    faces = options["range_faces"]
    digest = export_checkpoint(checkpoint, path, chosen.name, dtype, data, faces, lists_of(options))
    show_text(f"{digest}  {path}")


def export_checkpoint(
    checkpoint: "Checkpoint",
    path: Path,
    file_format: str,
    dtype: str,
    data: Sequence[Path] = (),
    range_faces: int = 300,
    lists: "ListOptions | None" = None,
) -> str:
    """Exports the network of a checkpoint and records it.

    Args:
        checkpoint: of the model.
        path, file_format, dtype: see `models.export.export_model`.
        data: folders or archives of its training faces, for int8.
        range_faces: faces of them that set the ranges of int8.
        lists: how lists among them are read, see `data.listed.ListOptions`.

    Returns:
        The digest of the file or folder.
    """
    import_keras()
    from facecli.core.process import quiet_stderr
    from facecli.models.export import check_onnx, export_model, export_size, heads_only, write_record
    from facecli.training.prepare import prepare_data
    from facecli.training.save import load_network

    if file_format == "onnx":
        check_onnx()
    crops = None
    if dtype == "int8":
        from facecli.data.listed import PLAIN

        prepared = prepare_data(data, checkpoint.config.get("seed", 1), lists=lists or PLAIN)
        check_split(checkpoint, prepared)
        crops = training_crops(checkpoint, prepared, range_faces)
    network = heads_only(load_network(checkpoint), exported_heads(checkpoint.heads, file_format))
    say(f"converting {checkpoint.name} to {file_format}, {dtype}")
    with quiet_stderr():
        digest = export_model(network, path, file_format, dtype, crops)
    record = write_record(path, checkpoint, file_format, dtype, digest)
    say(f"wrote {path} ({export_size(path) / 1e6:.1f} MB) and {record}")
    return digest


def exported_heads(heads: Sequence[str], file_format: str) -> tuple[str, ...]:
    """What a file holds: LiteRT's not what facecli folds from another head, the others all that is known."""
    from facecli.models.readout import stored_heads

    return stored_heads(heads) if file_format == "tflite" else tuple(heads)


def training_crops(checkpoint: "Checkpoint", prepared: "PreparedData", count: int) -> "Array":
    """(n, h, w, 3) uint8 RGB: at most `count` random faces of the training split.

    Raises DataError when there are none.
    """
    from facecli.data.sources import load_crops

    frame = prepared.frame.iloc[prepared.rows("train")]
    if frame.empty:
        raise DataError(f"no picture of {prepared.folder} falls into the training split; give more pictures")
    chosen = frame.sample(min(count, len(frame)), random_state=0)
    margin, _ = checkpoint.crop_of("none")
    return load_crops(chosen, prepared.folder, checkpoint.image_size, margin)
