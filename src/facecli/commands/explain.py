"""`facecli explain`: heat maps of what drove each head."""

from pathlib import Path

import click

from facecli.commands.model_options import model_path_option, model_type_option
from facecli.errors import InputError
from facecli.faces import FACE_HEADS

HEADS = ("age", *FACE_HEADS)
METHODS = ("integrated-gradients", "grad-cam", "smooth-grad", "shap")
REFERENCES = ("blur", "mean", "grey")


@click.command()
@click.option(
    "--img",
    metavar="PATH",
    multiple=True,
    required=True,
    help="A picture, or whatever else 'facecli run --img' takes; may recur.",
)
@click.option(
    "--head",
    "heads",
    type=click.Choice(HEADS),
    multiple=True,
    help="What to explain; may recur.  [default: every head of the model]",
)
@click.option(
    "--method",
    "methods",
    type=click.Choice(METHODS),
    multiple=True,
    default=("integrated-gradients",),
    show_default=True,
    help="How; may recur. shap needs pip install 'facecli[explain]' and takes longest.",
)
@click.option(
    "--reference",
    type=click.Choice(REFERENCES),
    default="blur",
    show_default=True,
    help="What a face is compared with: itself without detail, its mean colour, or grey.",
)
@click.option(
    "--output",
    metavar="FOLDER",
    default="explained",
    show_default=True,
    help="Folder of the pictures and of index.html.",
)
@click.option(
    "--json", "json_target", metavar="FILE", help="JSON lines with the checks; - is standard output."
)
@model_type_option()
@model_path_option()
@click.option(
    "--detector",
    type=click.Choice(["haar", "yunet", "none"]),
    default="haar",
    show_default=True,
    help="How faces are found; none: the whole picture is one face.",
)
@click.option("--detector-weights", metavar="FILE", help="ONNX file for --detector yunet.")
@click.option(
    "--allow-private", is_flag=True, help="Fetch from addresses of the own network and machine, too."
)
def explain(**options) -> None:
    """Show what in each face drove the age, gender, race and emotion that the model gives.

    Writes a picture for each face and head (the crop, its heat map, one over the other) and index.html,
    which holds them all. Each map is checked: its hottest tenth is replaced, and as much at random.

    \b
    Examples:
      facecli explain --img photo.jpg
      facecli explain --img chip.png --detector none --head age --method grad-cam --output age/
      facecli explain --img photo.jpg --method integrated-gradients --method shap --json -
    """
    _check(options)
    from facecli.commands.explain_run import run_explain

    run_explain(options)


def _check(options: dict) -> None:
    """What can be refused before anything heavy is imported. Raises InputError."""
    output, weights = Path(options["output"]), options["detector_weights"]
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file; --output is a folder")
    same = [one for one in options["img"] if Path(one).is_dir() and Path(one).resolve() == output.resolve()]
    if same:
        raise InputError(f"{output} is the folder of the pictures; name another one for --output")
    if weights is not None and options["detector"] != "yunet":
        raise InputError("--detector-weights needs --detector yunet")
    if weights is not None and not Path(weights).is_file():
        raise InputError(f"no detector weights at {weights}; check --detector-weights")
