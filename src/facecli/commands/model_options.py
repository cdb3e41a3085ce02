"""`--model-type` and `--model-path`: the model that a command works with."""

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from facecli.errors import CheckpointError, InputError
from facecli.recipes import MODEL_FOLDERS, MODEL_TYPES


def model_type_option(told: str | None = None) -> Callable:
    """The option, with what is said of it in `--help`."""
    return click.option(
        "--model-type", type=click.Choice(MODEL_TYPES), default=MODEL_TYPES[0], show_default=True, help=told
    )


def model_path_option() -> Callable:
    """The option that names another model, as all commands have it."""
    return click.option(
        "--model-path", metavar="MODEL", help="Name or folder of a model, instead of --model-type."
    )


def model_given(options: Mapping) -> str:
    """Name or folder of the model: that of `--model-path`, else the one that ships as `--model-type`."""
    return options["model_path"] or MODEL_FOLDERS[options["model_type"]]


def find_compared(name: str) -> Path:
    """Folder of a model by name or folder, also by the short names of `--model-type`.

    Raises CheckpointError when there is none.
    """
    from facecli.paths import find_model

    try:
        return find_model(name)
    except CheckpointError as error:
        try:
            return find_model(f"{name}_model")
        except CheckpointError:
            raise error from None


def check_model_path(options: Mapping) -> None:
    """Raises InputError when `--model-path` is given and is neither a folder nor a model's name."""
    from facecli.paths import find_model

    given = options["model_path"]
    if not given or Path(given).is_dir():
        return
    try:
        find_model(given)
    except CheckpointError as error:
        raise InputError(
            f"no model '{given}': neither a folder nor a name that 'facecli models list' knows; "
            "check --model-path"
        ) from error
