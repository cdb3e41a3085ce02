"""What a campaign says at its end, as Markdown."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from campaign.campaign import Tally
from campaign.case import Tried

BEGIN, END = "<!-- campaign:begin -->", "<!-- campaign:end -->"
"""Between them lies the report in a document that says more."""
_NUMBERS = re.compile(r"\d+(\.\d+)?")


def report_lines(tallies: Sequence[Tally]) -> Iterator[str]:
    """A table of kinds, then one of finds where there are any."""
    yield "| kind | what is tested | cases | minutes | failures | library messages |"
    yield "|---|---|---|---|---|---|"
    for tally in tallies:
        yield f"| {tally.kind.name} | {tally.kind.about} | {_figures([tally])} |"
    yield f"| all | | {_figures(tallies)} |"
    finds = [find for tally in tallies for find in tally.finds]
    if finds:
        yield ""
        yield from _find_lines(finds)


def write_report(path: Path, lines: Sequence[str]) -> None:
    """Writes the report, between the marks of a file that has them."""
    text, report = "", "\n".join(lines) + "\n"
    if path.exists():
        text = path.read_text(encoding="utf-8")
    if BEGIN in text and END in text:
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        report = f"{before}{BEGIN}\n{report}{END}{after}"
    path.write_text(report, encoding="utf-8")


def _figures(tallies: Sequence[Tally]) -> str:
    cases = sum(tally.cases for tally in tallies)
    minutes = sum(tally.seconds for tally in tallies) / 60
    broken = sum(tally.broken for tally in tallies)
    spoken = sum(len(tally.finds) for tally in tallies) - broken
    return f"{cases:,} | {minutes:.1f} | {broken} | {spoken}"


def _find_lines(finds: Sequence[Tried]) -> Iterator[str]:
    """Equal faults in one line, numbers aside, with the case that shows it first."""
    alike: dict[tuple[str, str], list[tuple[Tried, str]]] = defaultdict(list)
    for find in finds:
        for fault in find.faults:
            alike[find.kind, _NUMBERS.sub("#", fault)[:70]].append((find, fault))
    yield "| kind | fault | times | for example |"
    yield "|---|---|---|---|"
    for (kind, _), cases in sorted(alike.items(), key=lambda item: (item[0][0], -len(item[1]))):
        first, fault = cases[0]
        yield f"| {kind} | {_cell(fault)} | {len(cases)} | `--case {first.name}`: {_cell(first.how)[:160]} |"


def _cell(text: str) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable.replace("|", "\\|")


def find_text(find: Tried) -> str:
    """A find for the terminal."""
    command = " ".join(find.command)
    return f"{find.name}: {'; '.join(find.faults)}\n  {_cell(find.how)[:300]}\n  {command[:300]}"
