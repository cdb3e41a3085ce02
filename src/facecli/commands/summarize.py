"""`facecli summarize`: the people of many rows as figures."""

import json
from pathlib import Path

import click

from facecli.commands.crowd_rows import raise_if_damaged, read_crowd
from facecli.commands.messages import say
from facecli.commands.model_options import model_given, model_path_option, model_type_option
from facecli.commands.overwriting import STDIN, check_targets


@click.command()
@click.argument("rows", nargs=-1, required=True, metavar="ROWS...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of tables.")
@click.option(
    "--plot", metavar="FILE", help="Draw the figures: .png, .svg or .pdf (needs matplotlib, facecli[train])."
)
@model_type_option("The model that wrote the rows: shares are corrected by what it is known to confuse.")
@model_path_option()
def summarize(rows: tuple[str, ...], as_json: bool, plot: str | None, **model: str | None) -> None:
    """Count people, their ages and shares, in files that 'facecli run --json' wrote.

    ROWS are such files, of pictures and of videos; - is standard input. Each face of a picture is one
    person, and each track of a video, however many frames show it. Shares are given as the model says
    them, and corrected for the classes that it is known to take for others, with 90 % intervals.

    \b
    Examples:
      facecli summarize rows.jsonl
      facecli summarize monday.jsonl tuesday.jsonl --plot week.png
      facecli summarize rows.jsonl --model-type normal --json
      facecli run --img photos/ --json - | facecli summarize -
    """
    if plot is not None:
        _check_plot(plot, rows)
    checkpoint, confusions, age_error = _model(model)
    crowd, reading = read_crowd(rows)
    from facecli.crowd.document import document
    from facecli.crowd.figures import figures_of

    figures = figures_of(crowd, confusions)
    found = document(figures, reading, checkpoint.name, age_error)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        from facecli.commands.crowd_table import show_figures

        show_figures(found)
    if plot is not None:
        from facecli.crowd.plot import save_plot

        save_plot(Path(plot), figures, checkpoint.name)
        say(f"wrote {plot}")
    raise_if_damaged(reading)


def _check_plot(plot: str, rows: tuple[str, ...]) -> None:
    """Before anything is read. Raises InputError or OutputError."""
    from facecli.crowd.plot import check_suffix

    read = ((STDIN if file == "-" else file, "the file of rows itself") for file in rows)
    check_targets({"--plot": plot}, read)
    check_suffix(Path(plot))


def _model(options: dict) -> tuple:
    """The model's folder, its confusions and how far its ages are off. Raises CheckpointError."""
    from facecli.crowd.confusion import load_confusions, typical_age_error
    from facecli.models.checkpoint import load_checkpoint
    from facecli.paths import find_model

    checkpoint = load_checkpoint(find_model(model_given(options)))
    return checkpoint, load_confusions(checkpoint), typical_age_error(checkpoint)
