"""`facecli search`: whom the rows show, ranked by how probably they are who is searched for."""

from pathlib import Path

import click

from facecli.commands.crowd_rows import raise_if_damaged, read_crowd
from facecli.commands.messages import say, warn
from facecli.commands.search_options import ClassNames, Years
from facecli.errors import FacecliError
from facecli.faces import NAMED_HEADS

_SHOWN = 3


@click.command()
@click.argument("rows", nargs=-1, required=True, metavar="ROWS...")
@click.option("--gender", metavar="NAME", type=ClassNames("gender"), help="male or female.")
@click.option(
    "--race",
    metavar="NAME",
    type=ClassNames("race"),
    help="white, black, asian, indian, other; or several: asian,indian.",
)
@click.option(
    "--emotion",
    metavar="NAME",
    type=ClassNames("emotion"),
    help="angry, disgust, fear, happy, neutral, sad, surprise; or several.",
)
@click.option("--age", metavar="YEARS", type=Years(), help="A range of years: 20-30, 65+ or 7.")
@click.option(
    "--min-confidence",
    metavar="P",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Leave out whom all of it fits with a smaller probability (0 to 1).",
)
@click.option(
    "--top", metavar="N", type=click.IntRange(0), default=20, show_default=True, help="How many; 0 for all."
)
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line instead of the table.")
@click.option("--csv", "as_csv", is_flag=True, help="A table for spreadsheets instead.")
@click.option("--copy-to", metavar="FOLDER", help="Copy the pictures there; no file is ever written over.")
def search(rows: tuple[str, ...], **options) -> None:
    """Rank the people in files that 'facecli run --json' wrote by how well they fit.

    ROWS are such files, of pictures and of videos; - is standard input. The probability is that of
    everything asked for together: the product of the probabilities of gender, race, emotion and of the
    range of years. Each track of a video is one person.

    \b
    Examples:
      facecli search rows.jsonl --gender female --age 20-30
      facecli search rows.jsonl --emotion happy,surprise --min-confidence 0.7 --top 0
      facecli search rows.jsonl --age 65+ --csv > old.csv
      facecli search rows.jsonl --race asian --emotion happy --copy-to found/
    """
    classes = {head: options[head] for head in NAMED_HEADS if options[head]}
    if not classes and options["age"] is None:
        raise click.UsageError("give one of --gender, --race, --emotion and --age at least")
    if options["as_json"] and options["as_csv"]:
        raise click.UsageError("give one of --json and --csv")
    from facecli.crowd.rank import Wanted, rank

    crowd, reading = read_crowd(rows)
    ranking = rank(crowd, Wanted(classes, options["age"]), options["min_confidence"])
    matches = ranking.matches[: options["top"] or None]
    _show(matches, options)
    _say(ranking, len(matches), options, len(crowd.subjects))
    failed = _copy(matches, options["copy_to"]) if options["copy_to"] else 0
    if failed:
        raise FacecliError(f"{failed:,} of the pictures could not be copied")
    raise_if_damaged(reading)


def _show(matches: list, options: dict) -> None:
    from facecli.commands.search_output import show_csv, show_json, show_matches
    from facecli.crowd.rank import match_row

    found = [match_row(number, match) for number, match in enumerate(matches, start=1)]
    show = show_json if options["as_json"] else show_csv if options["as_csv"] else show_matches
    show(found)


def _say(ranking, shown: int, options: dict, people: int) -> None:
    """What the ranking itself does not tell."""
    if not ranking.matches:
        best = ranking.best_below
        near = (
            ""
            if best is None
            else f"; the most probable is {best.probability:.3f} ({_named(best.subject.source)})"
        )
        say(f"no match among {people:,} people{near}")
    elif shown < len(ranking.matches):
        say(f"{shown:,} of {len(ranking.matches):,} matches; --top 0 gives all")
    if ranking.unknown:
        warn(f"{ranking.unknown:,} people are left out: their rows lack what is asked for")
    if ranking.by_interval:
        say(
            "the rows hold no age distributions (run --details writes them): ages are taken for normal, "
            "as wide as their 90 % intervals"
        )


def _copy(matches: list, folder: str) -> int:
    """Copies pictures, says what became of them; gives the number of those that could not be."""
    from facecli.crowd.copies import copy_pictures

    done = copy_pictures((match.subject for match in matches), Path(folder))
    there = f"; {len(done.there):,} lay there already" if done.there else ""
    say(f"copied {len(done.copied):,} pictures to {folder}{there}")
    if done.videos:
        say(f"{len(done.videos):,} matches are of videos, which are not copied")
    for text in done.failed[:_SHOWN]:
        warn(f"not copied: {_named(text)}")
    if len(done.failed) > _SHOWN:
        warn(f"... and {len(done.failed) - _SHOWN:,} more")
    return len(done.failed)


def _named(text: str) -> str:
    from facecli.commands.search_output import plain

    return plain(text)
