"""What `summarize` and `search` share: files of rows become a crowd."""

from collections.abc import Sequence

from facecli.commands.messages import warn
from facecli.errors import FacecliError

_SHOWN = 3


def read_crowd(files: Sequence[str]) -> tuple:
    """The crowd and what was read. Warns of damaged and cut lines. Raises InputError."""
    from facecli.crowd.gather import gather
    from facecli.crowd.read import Reading, read_rows

    reading = Reading()
    crowd = gather(read_rows(files, reading))
    for damaged in reading.damaged[:_SHOWN]:
        warn(f"{damaged}; left out")
    if len(reading.damaged) > _SHOWN:
        warn(f"... and {len(reading.damaged) - _SHOWN:,} more lines that are no rows")
    for file in reading.cut:
        name = "standard input" if file == "-" else file
        warn(f"the last line of {name} is cut off and left out: the run was interrupted, or still goes on")
    return crowd, reading


def raise_if_damaged(reading) -> None:
    """Raises FacecliError when lines were left out that are no rows; a cut last line is none of them."""
    if reading.damaged:
        count = len(reading.damaged)
        lines = "1 line is no row" if count == 1 else f"{count:,} lines are no rows"
        raise FacecliError(f"{lines}: what is said is of the rest")
