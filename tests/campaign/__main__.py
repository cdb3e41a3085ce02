"""`python -m campaign --minutes 10 --seed 7`; `python -m campaign --seed 7 --case pictures:17`."""

import os
import platform
import shutil
import sys
import tempfile
from datetime import date
from pathlib import Path

import click

from campaign.bench import Bench
from campaign.campaign import run_campaign
from campaign.case import parse_name
from campaign.kinds import SHARES
from campaign.report import find_text, report_lines, write_report


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), default=5.0, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="All chance comes from it.")
@click.option("--kind", "names", type=click.Choice(list(SHARES)), multiple=True, help="Only these.")
@click.option("--case", "case", metavar="KIND:NUMBER", help="Try this one again, or KIND:FIRST-LAST.")
@click.option(
    "--write", type=click.Path(path_type=Path), help="A file for the tables, or one with marks for them."
)
@click.option("--keep", type=click.Path(path_type=Path), help="With --case: a copy of its files goes there.")
def main(
    minutes: float, seed: int, names: tuple[str, ...], case: str | None, write: Path | None, keep: Path | None
) -> None:
    """Try what should not break facecli. Ends with 1 when something did."""
    with tempfile.TemporaryDirectory(prefix="facecli-campaign-", ignore_cleanup_errors=True) as root:
        bench = Bench(Path(root), seed, keep)
        if case is not None:
            sys.exit(_again(bench, case))
        chosen = [SHARES[name] for name in names or SHARES]
        tallies = run_campaign(
            bench, chosen, 60 * minutes, lambda find: click.echo(find_text(find), err=True)
        )
    lines = [_conditions(minutes, seed), "", *report_lines(tallies)]
    click.echo("\n".join(lines))
    if write is not None:
        write_report(write, lines)
    sys.exit(any(tally.broken for tally in tallies))


def _again(bench: Bench, case: str) -> int:
    name, numbers = parse_name(case)
    kind, _ = SHARES[name]
    bad = 0
    for tried in kind.tried(bench, numbers):
        bad += tried.broke
        click.echo(find_text(tried) if tried.faults else f"{tried.name}: as documented\n  {tried.how}")
    return 1 if bad else 0


def _conditions(minutes: float, seed: int) -> str:
    """When, where and with what."""
    import av
    import cv2
    import PIL

    versions = f"OpenCV {cv2.__version__}, Pillow {PIL.__version__}, PyAV {av.__version__}"
    disk = "tmpfs" if shutil.which("mount") and os.geteuid() == 0 else "RLIMIT_FSIZE"
    return (
        f"{date.today():%Y-%m-%d}: {minutes:g} minutes, seed {seed}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[1]:.1f}, Python {platform.python_version()}, {versions}, disks by {disk}."
    )


if __name__ == "__main__":
    main()
