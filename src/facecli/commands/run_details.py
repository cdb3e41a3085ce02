"""Options of `facecli run --img` that tell more: details, bands of years, other models, a page."""

from collections.abc import Callable
from pathlib import Path

import click

from facecli.commands.model_options import find_compared
from facecli.errors import CheckpointError, InputError

_OPTIONS = (
    click.option(
        "--details",
        is_flag=True,
        help="All probabilities in table and JSON; a panel for each face in annotated pictures.",
    ),
    click.option(
        "--compare",
        metavar="MODELS",
        help="Two or more models side by side, by name or folder: facenet,normal.",
    ),
    click.option(
        "--age-groups",
        metavar="GROUPS",
        help="Add the most probable band of years: decades, life, adience, fairface, or your own such as "
        "0-24,25-49,50-74,75-99.",
    ),
    click.option(
        "--report",
        metavar="FILE",
        help="One page of HTML that needs no network: thumbnails, bars, ages, filters.",
    ),
)
NAMES = ("details", "compare", "age_groups", "report")


def details_options(command: Callable) -> Callable:
    """Adds the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_details(options: dict) -> None:
    """What can be refused before anything heavy is imported. Raises InputError."""
    if not options["img"]:
        strays = [name for name in NAMES if options[name]]
        if strays:
            raise InputError(f"--{strays[0].replace('_', '-')} needs --img")
    if options["age_groups"] is not None:
        from facecli.age_groups import parse_age_groups

        parse_age_groups(options["age_groups"])
    if options["report"] is not None:
        _check_report(options["report"])
    if options["compare"] is not None:
        if options["model_path"]:
            raise InputError("--compare names all models; leave --model-path out")
        compared_folders(options["compare"])


def _check_report(target: str) -> None:
    if target == "-" or Path(target).suffix.lower() not in (".html", ".htm") or Path(target).is_dir():
        raise InputError(f"--report {target} is no page; name a file that ends in .html")


def build_report(options: dict, analyzer):
    """The sink of --report, not yet entered."""
    from facecli.models.catalogue import describe
    from facecli.report.sink import ReportSink

    checkpoints = analyzer.checkpoints
    models = [(name, known, describe(known.folder).metrics) for name, known in checkpoints.items()]
    return ReportSink(Path(options["report"]), models)


def compared_folders(spec: str) -> dict[str, Path]:
    """Name as given -> model folder, of "facenet,normal" or "mine,./folder".

    Raises InputError: fewer than two, one twice, or no such model.
    """
    names = [part.strip() for part in spec.split(",")]
    if len(names) < 2 or not all(names):
        raise InputError(f"--compare '{spec}' names no two models; give names or folders: facenet,normal")
    found: dict[str, Path] = {}
    for name in names:
        folder = _find(name)
        if folder.resolve() in {other.resolve() for other in found.values()}:
            raise InputError(f"--compare '{spec}' names {folder} twice; give different models")
        found[name] = folder
    return found


def _find(name: str) -> Path:
    try:
        return find_compared(name)
    except CheckpointError as error:
        raise InputError(
            f"--compare: no model '{name}'; 'facecli models list' says which are here"
        ) from error


def build_reading(options: dict):
    """What is wanted of each face beside its labels and age."""
    from facecli.age_groups import parse_age_groups
    from facecli.vision.analyze import Reading

    spec = options.get("age_groups")
    return Reading(bool(options.get("details")), parse_age_groups(spec) if spec else None)


def build_comparison(folders: dict[str, Path], build: Callable):
    """The analyzer that lets all models of `folders` read each face.

    Args:
        folders: see `compared_folders`.
        build: checkpoint -> its `Analyzer`.

    Raises CheckpointError.
    """
    from facecli.models.checkpoint import load_checkpoint
    from facecli.vision.compare import ComparingAnalyzer

    checkpoints = {name: load_checkpoint(folder) for name, folder in folders.items()}
    own_names = [checkpoint.name for checkpoint in checkpoints.values()]
    # Copies of a model have one name: then what the user wrote tells them apart.
    names = own_names if len(set(own_names)) == len(own_names) else list(checkpoints)
    analyzers = [build(checkpoint) for checkpoint in checkpoints.values()]
    return ComparingAnalyzer(dict(zip(names, analyzers, strict=True)))
