"""The verdict on a child: what docs/exit_codes.md and docs/architecture.md promise, whatever is given."""

import json
import re
import signal
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaign.child import Ended

BUDGET_BYTES = 700_000_000
"""What `--max-memory` promises when it is not given."""
DOCUMENTED = frozenset({0, 1, 2})
_TRACEBACK = "Traceback (most recent call last)"
_NOISE = re.compile(
    r"libpng|Corrupt JPEG|Premature end of|^\[ ?(WARN|ERROR|INFO)|OpenCV\(|TIFF[A-Z]\w+:|^W0000|^INFO: |"
    r"XNNPACK|\[\w+ @ 0x|DeprecationWarning|ResourceWarning|Exception ignored|UserWarning|RuntimeWarning",
    re.MULTILINE,
)
"""What libraries write on standard error by themselves."""
NOISE = "a library speaks on standard error"
"""The fault begins so."""


@dataclass(frozen=True)
class Expected:
    """What is documented for a command.

    Attributes:
        codes: exit codes that it may end with.
        peak_bytes: the most memory that it may take.
        killed: the signal that the case itself sends.
    """

    codes: Collection[int] = DOCUMENTED
    peak_bytes: int = BUDGET_BYTES
    killed: signal.Signals | None = None


USUAL = Expected()


def faults_of(ended: Ended, expected: Expected = USUAL) -> Iterator[str]:
    """What is wrong with any command, whatever it was given."""
    if ended.stopped:
        yield ended.stopped
        return
    if ended.code < 0:
        if -ended.code != expected.killed:
            yield f"killed by {signal.Signals(-ended.code).name}"
    elif ended.code not in expected.codes:
        yield f"exit code {ended.code}"
    if ended.peak_bytes > expected.peak_bytes:
        yield f"{ended.peak_bytes / 1e6:.0f} MB of memory"
    yield from _words_of(ended)


def _words_of(ended: Ended) -> Iterator[str]:
    if _TRACEBACK in ended.stderr:
        yield f"traceback: {traceback_of(ended.stderr)}"
        return
    if noise := _NOISE.search(ended.stderr):
        line = ended.stderr[noise.start() :].splitlines()[0]
        yield f"{NOISE}: {line[:120]}"
    errors = sum(line.startswith("Error: ") for line in ended.stderr.splitlines())
    wanted = 1 if ended.code in (1, 2) else 0
    if errors != wanted and ended.code >= 0:
        yield f"{errors} lines of 'Error:' with exit code {ended.code}"


def traceback_of(text: str) -> str:
    """The error of the last traceback and the place in facecli that it came from; "" without one."""
    if _TRACEBACK not in text:
        return ""
    lines = text[text.rindex(_TRACEBACK) :].splitlines()[1:]
    end = next((number for number, line in enumerate(lines) if line and not line.startswith(" ")), 0)
    places = [line for line in lines[:end] if re.search(r'File ".*/facecli/', line)]
    place = re.sub(r'.*/facecli/(.*)", line (\d+).*', r"\1:\2", places[-1]) if places else "?"
    return f"{lines[end][:160]} ({place})"


def rows_in(text: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of JSON lines, and what is wrong with them."""
    rows, faults = [], []
    if text and not text.endswith("\n"):
        faults.append("the last row is not whole")
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line, parse_constant=_refuse)
        except ValueError:
            faults.append(f"row {number} is not JSON: {line[:60]}")
            continue
        rows.append(row)
        faults += _row_faults(row)
    return rows, faults


def whole_json(content: bytes) -> tuple[Any, list[str]]:
    """What a JSON document holds, and what is wrong with it."""
    try:
        return json.loads(content, parse_constant=_refuse), []
    except ValueError as error:
        return None, [f"standard output is not JSON: {error}"]


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _row_faults(row: dict[str, Any]) -> Iterator[str]:
    error = row["error"]
    if error is not None and (not error or "\n" in error):
        yield f"error of {len(error.splitlines())} lines in a row"
    if error is None and not (row["width"] and row["height"]):
        yield "a row without error and without size"
    for face in row["faces"]:
        left, top, right, bottom = face["box_xyxy"]
        if not (0 <= left < right <= row["width"] and 0 <= top < bottom <= row["height"]):
            yield f"box {face['box_xyxy']} outside {row['width']}x{row['height']}"


def leftovers(folder: Path) -> list[str]:
    """Temporary files: all that facecli makes are hidden."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*"))
