"""`--model-type`: the shipped model that a command works with unless a folder is named."""

from collections.abc import Callable, Mapping

import click

from facecli.recipes import MODEL_FOLDERS, MODEL_TYPES


def model_type_option(told: str | None = None) -> Callable:
    """The option, with what is said of it in `--help`."""
    return click.option(
        "--model-type", type=click.Choice(MODEL_TYPES), default=MODEL_TYPES[0], show_default=True, help=told
    )


def model_given(options: Mapping) -> str:
    """Name or folder of the model: that of `--model-path`, else the one that ships as `--model-type`."""
    return options["model_path"] or MODEL_FOLDERS[options["model_type"]]
