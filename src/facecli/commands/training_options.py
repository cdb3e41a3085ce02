"""Options that `train` and `distil` share."""

import functools
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import click

from facecli import paths

DEFAULT_SEED = 1


def training_options(epochs: int, batch_size: int, learning_rate: float) -> Callable:
    """Decorator that adds the options of a training run, with a command's own defaults."""
    options = [
        click.option(
            "--data-path",
            type=click.Path(path_type=Path),
            help="Folder or archive of face pictures.  [default: data/UTKFace]",
        ),
        click.option("--epochs", type=click.IntRange(1), default=epochs, show_default=True),
        click.option("--batch-size", type=click.IntRange(1), default=batch_size, show_default=True),
        click.option(
            "--learning-rate",
            type=click.FloatRange(0, min_open=True),
            default=learning_rate,
            show_default=True,
            help="Peak, after the warm-up.",
        ),
        click.option(
            "--schedule", type=click.Choice(["cosine", "constant"]), default="cosine", show_default=True
        ),
        click.option("--warmup-epochs", type=click.FloatRange(0), default=1.0, show_default=True),
        click.option("--weight-decay", type=click.FloatRange(0), default=0.02, show_default=True),
        click.option(
            "--patience",
            type=click.IntRange(1),
            default=8,
            show_default=True,
            help="Stop after that many epochs without a better validation score.",
        ),
        click.option(
            "--seed",
            type=int,
            default=DEFAULT_SEED,
            show_default=True,
            help="Decides the split, the initial weights and the order.",
        ),
        click.option(
            "--mixed-precision",
            type=click.Choice(["float32", "bfloat16"]),
            default="float32",
            show_default=True,
            help="bfloat16 is faster where the processor has it.",
        ),
        click.option("--image-size", type=click.IntRange(32, 512), help="Side of the crops in pixels."),
        click.option("--limit", type=click.IntRange(10), help="Use that many random pictures (a quick try)."),
        click.option("--resume", is_flag=True, help="Go on after the last whole epoch."),
        click.option("--tensorboard", is_flag=True, help="Write TensorBoard logs beside the epochs."),
        click.option("--dry-run", is_flag=True, help="Print what would be done and stop."),
        click.option(
            "--weights",
            "trunk_weights",
            type=click.Path(path_type=Path),
            help="FaceNet weight file (.npz, .h5, .pt); see 'facecli weights'.",
        ),
    ]

    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return functools.wraps(command)(command)

    return decorate


def fit_options(values: dict):
    """FitOptions out of the options' values, and the precision policy set."""
    import keras

    from facecli.training.engine import FitOptions

    policy = "mixed_bfloat16" if values["mixed_precision"] == "bfloat16" else "float32"
    keras.config.set_dtype_policy(policy)
    return FitOptions(**{key: values[key] for key in FitOptions.__dataclass_fields__ if key in values})


def data_path(given: Path | None) -> Path:
    """The data set's place: as given, else data/UTKFace."""
    return given or paths.data_dir() / "UTKFace"


def command_line() -> str:
    """The command as it was typed, for the recipe."""
    return " ".join(["facecli", *sys.argv[1:]])


def show_plan(title: str, plan: dict) -> None:
    """Prints resolved options, a line each, on stdout."""
    click.echo(title)
    for key, value in plan.items():
        click.echo(f"  {key:16} {value}")


def log_to_stderr() -> None:
    """Shows the library's own messages while a long command runs."""
    logging.getLogger("facecli").setLevel(logging.INFO)
    if not logging.getLogger().handlers:
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
