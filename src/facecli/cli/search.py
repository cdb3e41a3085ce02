"""`facecli search`: whom the rows show, ranked by how probably they are who is searched for."""

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from facecli.cli.options import STDIN, Kind, check_targets, text_option
from facecli.cli.output import say, show_table, warn, write_text
from facecli.cli.summarize import raise_if_damaged, read_crowd
from facecli.core.attributes import CLASS_NAMES, NAMED_HEADS
from facecli.core.errors import FacecliError, InputError
from facecli.core.faces import percent, round_years, with_further

if TYPE_CHECKING:
    from facecli.crowd.search import AgeRange, Ranking


_MEANT = {
    "man": "male", "men": "male", "boy": "male", "m": "male",
    "woman": "female", "women": "female", "girl": "female", "f": "female",
    "caucasian": "white", "african": "black", "others": "other",
    "anger": "angry", "disgusted": "disgust", "afraid": "fear", "scared": "fear", "happiness": "happy",
    "smiling": "happy", "sadness": "sad", "surprised": "surprise",
}  # fmt: skip
"""What people write -> the class that it is."""

_COLUMNS = (
    "rank", "probability", "source", "rows", "face", "track", "first_s", "last_s", "time_s", "frames",
    "x_min", "y_min", "x_max", "y_max", "age_years", "age_low", "age_high", "age_group",
    *(name for head in NAMED_HEADS for name in (head, f"{head}_probability")),
)  # fmt: skip
_PROBABILITY = "_probability"
Rows = Sequence[Mapping[str, Any]]

_SHOWN = 3


class ClassNames(Kind):
    """One name of a head's classes, or several with commas between them."""

    name = "class"

    def __init__(self, head: str) -> None:
        self._head, self._names = head, CLASS_NAMES[head]

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        names = [part.strip().lower() for part in value.split(",")]
        for name in names:
            if name not in self._names:
                self.fail(self._unknown(name), param, ctx)
        return tuple(dict.fromkeys(names))

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, [*self._names, *_MEANT], n=3)
        meant = [known for word in (name, *near) if (known := _MEANT.get(word, word)) in self._names]
        hint = f" did you mean '{meant[0]}'?" if meant else ""
        return f"'{name}' is not a class of {self._head};{hint} choose one of {', '.join(self._names)}"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in self._names if name.startswith(incomplete)]


def attributes_option(
    context: click.Context, parameter: click.Parameter, value: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Callback of --attribute: head -> names of classes."""
    wanted = {}
    for text in value:
        head, _, names = (part.strip() for part in text.partition("="))
        if not head or not names:
            raise click.BadParameter(f"{text!r}: give a head and a class, glasses=yes")
        if head in CLASS_NAMES:
            wanted[head] = ClassNames(head).convert(names, parameter, context)
        else:
            wanted[head] = tuple(dict.fromkeys(part.strip() for part in names.split(",")))
    return wanted


def check_attributes(asked: Mapping[str, Sequence[str]], known: Mapping[str, Sequence[str]]) -> None:
    """Raises InputError for a head that no row knows, or a class that it has not.

    Args:
        asked: head -> names.
        known: head -> its classes, of the rows.
    """
    for head, names in asked.items():
        if head not in known:
            raise InputError(f"the rows have no '{head}'; they have {', '.join(known) or 'no attribute'}")
        for name in names:
            if name not in known[head]:
                raise InputError(f"'{name}' is not a class of {head}; choose one of {', '.join(known[head])}")


class Years(Kind):
    """A range of years."""

    name = "years"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> "AgeRange":
        from facecli.crowd.search import parse_age_range

        try:
            return parse_age_range(value)
        except InputError as error:
            self.fail(str(error), param, ctx)


def show_matches(found: Rows) -> None:
    """Prints a table of `crowd.search.match_row`s; nothing without any."""
    if not found:
        return
    heads = [head for head in (*NAMED_HEADS, *_further_heads(found)) if any(head in row for row in found)]
    header = ("rank", "prob", "source", "face", "age", *heads)
    show_table([header, *(_cells(row, heads) for row in found)], right=(0, 1, 4), folded=2)


def _cells(row: Mapping[str, Any], heads: Sequence[str]) -> tuple[str, ...]:
    if "track" in row:
        place = f"track {row['track']}, {row['first_s']:.1f}-{row['last_s']:.1f} s"
    else:
        place = str(row["face"])
    return (
        str(row["rank"]),
        f"{row['probability']:.3f}",
        row["source"],
        place,
        str(round_years(row["age_years"])) if "age_years" in row else "",
        *(f"{row[head]} {percent(row[f'{head}_probability'])}" if head in row else "" for head in heads),
    )


def _further_heads(found: Rows) -> tuple[str, ...]:
    """Heads that models brought; those that facecli knows have their columns in any case."""
    keys = (key.removesuffix(_PROBABILITY) for row in found for key in row if key.endswith(_PROBABILITY))
    return with_further((), (head for head in keys if head not in NAMED_HEADS))


def json_lines(found: Rows) -> str:
    """A JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)


def csv_table(found: Rows, is_raw: bool = False) -> str:
    """A header and a row a match (RFC 4180); cells of what is not known are empty."""
    from facecli.sinks.table import csv_lines

    columns = (*_COLUMNS, *(f"{head}{end}" for head in _further_heads(found) for end in ("", _PROBABILITY)))
    rows: list[Sequence[object]] = [columns]
    for row in found:
        low, high = row.get("age_interval_90", ("", ""))
        box = dict(zip(("x_min", "y_min", "x_max", "y_max"), row["box_xyxy"], strict=True))
        cells = {**row, **box, "age_low": low, "age_high": high}
        rows.append([cells.get(name, "") for name in columns])
    return csv_lines(rows, is_raw)


@click.command()
@click.argument("rows", nargs=-1, required=True, metavar="ROWS...")
@click.option("--gender", metavar="NAME", type=ClassNames("gender"), help="male or female.")
@click.option(
    "--race",
    metavar="NAME",
    type=ClassNames("race"),
    help="white, black, asian, indian, other; or several, such as asian,indian.",
)
@click.option(
    "--emotion",
    metavar="NAME",
    type=ClassNames("emotion"),
    help="angry, disgust, fear, happy, neutral, sad, surprise; or several.",
)
@click.option(
    "--attribute",
    "attributes",
    metavar="HEAD=NAME",
    multiple=True,
    callback=attributes_option,
    help="Any attribute in the rows, such as glasses=yes, or several values; may be repeated.",
)
@click.option("--age", metavar="YEARS", type=Years(), help="A range of years: 20-30, 65+ or 7.")
@click.option(
    "--min-confidence",
    metavar="P",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Leave out people whose probability of matching is smaller than P (0 to 1).",
)
@click.option(
    "--top",
    metavar="N",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Number of matches to show; 0 for all.",
)
@text_option("json", "Write JSON lines to FILE; without FILE, or with -, print them instead of the table.")
@text_option("csv", "Write a CSV table to FILE; without FILE, or with -, print it instead of the table.")
@click.option(
    "--raw-csv",
    is_flag=True,
    help="Write texts to --csv unchanged, even if a spreadsheet would run them as a formula.",
)
@click.option(
    "--copy-to",
    metavar="FOLDER",
    help="Copy the matching pictures to FOLDER; existing files are never overwritten.",
)
def search(rows: tuple[str, ...], **options: Any) -> None:
    """Find people in files that 'facecli run --json' wrote, ranked by the probability that they match.

    ROWS are such files, of pictures or videos; - is standard input. The probability is the product of the
    probabilities of all the criteria: gender, race, emotion, age range and other attributes in the rows.
    Each track of a video is one person.

    \b
    Examples:
      facecli search rows.jsonl --gender female --age 20-30
      facecli search rows.jsonl --emotion happy,surprise --min-confidence 0.7 --top 0
      facecli search rows.jsonl --age 65+ --csv > old.csv
      facecli search rows.jsonl --race asian --emotion happy --copy-to found/
      facecli search rows.jsonl --attribute glasses=yes
    """
    classes = {**{head: options[head] for head in NAMED_HEADS if options[head]}, **options["attributes"]}
    if not classes and options["age"] is None:
        raise click.UsageError("give one of --gender, --race, --emotion, --attribute and --age at least")
    targets = {"--json": options["json_target"], "--csv": options["csv_target"]}
    if targets["--json"] == targets["--csv"] == "-":
        raise click.UsageError("give one of --json and --csv")
    check_targets(targets, ((STDIN if file == "-" else file, "the file of rows itself") for file in rows))
    from facecli.crowd.search import Wanted, rank_subjects
    from facecli.sinks.summary import classes_of

    crowd, reading = read_crowd(rows)
    if options["attributes"]:
        check_attributes(options["attributes"], classes_of(subject.person for subject in crowd.subjects))
    ranking = rank_subjects(crowd, Wanted(classes, options["age"]), options["min_confidence"])
    matches = ranking.matches[: options["top"] or None]
    _show(matches, options)
    _say(ranking, len(matches), options, len(crowd.subjects))
    failed = _copy(matches, options["copy_to"]) if options["copy_to"] else 0
    if failed:
        raise FacecliError(f"{failed:,} of the pictures could not be copied")
    raise_if_damaged(reading)


def _show(matches: list[Any], options: dict[str, Any]) -> None:
    from facecli.crowd.search import match_row

    found = [match_row(number, match) for number, match in enumerate(matches, start=1)]
    if options["json_target"]:
        write_text(options["json_target"], json_lines(found))
    if options["csv_target"]:
        write_text(options["csv_target"], csv_table(found, options["raw_csv"]))
    if "-" not in (options["json_target"], options["csv_target"]):
        show_matches(found)


def _say(ranking: "Ranking", shown: int, options: dict[str, Any], people: int) -> None:
    """What the ranking itself does not tell."""
    if not ranking.matches:
        best = ranking.best_below
        near = (
            "" if best is None else f"; the most probable is {best.probability:.3f} ({best.subject.source})"
        )
        say(f"no match among {people:,} people{near}")
    elif shown < len(ranking.matches):
        say(f"{shown:,} of {len(ranking.matches):,} matches; --top 0 gives all")
    if ranking.unknown:
        warn(f"{ranking.unknown:,} people are left out: their rows lack the requested attributes")
    if ranking.by_interval:
        say(
            "the rows have no age distributions (run --details writes them): ages are assumed to be "
            "normally distributed, "
            "with the width of their 90 % intervals"
        )


def _copy(matches: list[Any], folder: str) -> int:
    """Copies pictures, says what became of them; gives the number of those that could not be."""
    from facecli.crowd.search import copy_pictures

    done = copy_pictures((match.subject for match in matches), Path(folder))
    there = f"; {len(done.there):,} lay there already" if done.there else ""
    say(f"copied {len(done.copied):,} pictures to {folder}{there}")
    if done.videos:
        say(f"{len(done.videos):,} matches are of videos, which are not copied")
    for text in done.failed[:_SHOWN]:
        warn(f"not copied: {text}")
    if len(done.failed) > _SHOWN:
        warn(f"... and {len(done.failed) - _SHOWN:,} more")
    return len(done.failed)
