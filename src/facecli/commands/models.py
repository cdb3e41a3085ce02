"""`facecli models`: the models on this machine."""

import json
import sys

import click

from facecli import paths
from facecli.commands.messages import say
from facecli.errors import CheckpointError, FacecliError, InputError


@click.group()
def models() -> None:
    """List, show, verify and remove the models on this machine.

    \b
    Examples:
      facecli models list
      facecli models show facenet
    """


@models.command(name="list", short_help="Say which models are here.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def list_(as_json: bool) -> None:
    """Say which models are here: your own and those that came with facecli.

    Errors are those of the test split: age in years, the rest in percent of right answers.

    \b
    Examples:
      facecli models list
      facecli models list --json
    """
    from facecli.commands.model_text import json_entry, list_rows, show_table
    from facecli.models.catalogue import list_models

    entries = list_models()
    if as_json:
        click.echo(json.dumps([json_entry(entry) for entry in entries], indent=1))
        return
    show_table(list_rows(entries))
    say(f"new models go to {paths.saved_model_dir()}")


@models.command(short_help="Tell everything that is known of a model.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print config.json and metrics.json instead.")
def show(name: str, as_json: bool) -> None:
    """Tell everything that is known of the model NAME (a name or a folder).

    \b
    Examples:
      facecli models show facenet
      facecli models show my_model --json
    """
    from facecli.commands.model_text import describe_lines, json_entry
    from facecli.models.catalogue import find_short

    entry = find_short(name)
    if as_json:
        click.echo(json.dumps(json_entry(entry, whole=True), indent=1))
    else:
        for line in describe_lines(entry):
            click.echo(line)
    if entry.problem is not None:
        raise CheckpointError(entry.problem)


@models.command(short_help="Check the files of all models, or of one.")
@click.argument("name", required=False)
def verify(name: str | None) -> None:
    """Check the files of every model (or only of NAME) against the digests in its config.json.

    \b
    Examples:
      facecli models verify
      facecli models verify facenet
    """
    from facecli.models.catalogue import find_short, list_models

    entries = [find_short(name)] if name is not None else list_models()
    if not entries:
        raise CheckpointError(f"no model in {paths.saved_model_dir()}; train one with 'facecli train'")
    wrong = sum(_verified(entry) for entry in entries)
    if wrong:
        files = "1 file is" if wrong == 1 else f"{wrong} files are"
        raise CheckpointError(f"{files} not what config.json says; train or fetch the model anew")


def _verified(entry) -> int:
    """Prints a line for each file of a model and returns how many are wrong."""
    from facecli.models.catalogue import verify as verify_files

    try:
        checks = verify_files(entry)
    except CheckpointError as error:
        click.echo(f"WRONG {entry.folder}: {entry.problem or error}")
        return 1
    wrong = [check for check in checks if check.problem is not None]
    # What is wrong with a file has its line below.
    is_more = entry.problem is not None and not any(str(check.path) in entry.problem for check in wrong)
    if is_more:
        click.echo(f"WRONG {entry.folder}: {entry.problem}")
    for check in checks:
        click.echo(f"ok    {check.path}" if check.problem is None else f"WRONG {check.path} {check.problem}")
    return len(wrong) + is_more


@models.command(short_help="Remove a model of your own, after asking.")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(name: str, yes: bool) -> None:
    """Remove the model NAME (a name or a folder) and all files in its folder, after asking.

    Models that came with facecli stay.

    \b
    Examples:
      facecli models rm my_model
    """
    from facecli.commands.model_text import size_text
    from facecli.models.catalogue import check_removable, remove

    entry = _to_remove(name)
    check_removable(entry)
    what = f"{entry.folder} ({size_text(entry.size_bytes)})"
    if not yes and not _confirmed(what):
        raise FacecliError(f"{entry.folder} was not removed")
    remove(entry)
    click.echo(f"removed {what}")


def _to_remove(name: str):
    """The model, or InputError: who removes by name has named something wrong."""
    from facecli.models.catalogue import find_entry

    try:
        return find_entry(name)
    except CheckpointError as error:
        raise InputError(
            f"'{name}' is no model folder; 'facecli models list' says which models are here"
        ) from error


def _confirmed(what: str) -> bool:
    try:
        return click.confirm(f"Remove {what}?", err=True)
    except click.Abort:
        if sys.stdin is not None and sys.stdin.isatty():
            raise
        raise InputError("nobody is there to answer; add --yes to remove it without being asked") from None
