"""Options of `facecli run --img` alone: where pictures come from, how many at once, what is written."""

from collections.abc import Callable

import click

from facecli.errors import InputError

_OPTIONS = (
    click.option("--crops", metavar="DIR", help="Each face as a picture of its own: DIR/photo-face1.jpg."),
    click.option("--parquet", metavar="FILE", help="The table of --csv for data frames (needs pyarrow)."),
    click.option(
        "--resume",
        is_flag=True,
        help="Go on with the --json and --csv files of an interrupted run; rows that are there stay.",
    ),
    click.option(
        "--workers",
        metavar="N",
        type=click.IntRange(1, 64),
        help="Threads that decode and search pictures.  [default: cores, at most 8; 8 for addresses]",
    ),
    click.option(
        "--batch-size",
        metavar="N",
        type=click.IntRange(1, 1024),
        help="Faces that the network reads in one call.  [default: 16]",
    ),
    click.option(
        "--allow-private", is_flag=True, help="Fetch from addresses of the own network and machine, too."
    ),
)
NAMES = ("crops", "parquet", "resume", "workers", "batch_size", "allow_private")
WRITTEN = ("output", "json_target", "csv_target", "parquet", "crops", "report")
"""Options that name what is written; with any of them no window is opened."""


def picture_options(command: Callable) -> Callable:
    """Adds the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_picture_options(options: dict) -> None:
    """What can be refused before anything heavy is imported. Raises InputError."""
    if not options["img"]:
        strays = [name for name in NAMES if options[name]]
        if strays:
            raise InputError(f"--{strays[0].replace('_', '-')} needs --img")
        return
    if options["parquet"] == "-":
        raise InputError("--parquet cannot be written to standard output; name a file")
    if options["resume"]:
        _check_resume(options)


def _check_resume(options: dict) -> None:
    targets = [options[name] for name in ("json_target", "csv_target") if options[name]]
    if not targets or "-" in targets:
        raise InputError("--resume goes on with a file; add --json FILE or --csv FILE")
    for name in ("parquet", "report"):
        if options.get(name):
            raise InputError(
                f"--{name} cannot be resumed: it is made of all rows at once; leave it or --resume out"
            )
