"""The largest memory and the time that `facecli run --img` takes for one picture, of every kind and size.

    python benchmarks/reliability.py --output benchmarks/reliability.md --docs docs/reliability.md

Photos of 12, 50 and 100 megapixels in each format, and small files that ask for much; each alone in a process
of its own, with rows only and drawn with `--output`. Promised are 700 MB (`--max-memory`) for whatever is
given, and 5 seconds for one picture.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from reliability_pictures import pictures

MAKE = Path(__file__).with_name("reliability_pictures.py")
BUDGET_MB, BUDGET_S = 700, 5
_PATIENCE_S = 120
_PACKAGES = ("opencv-python", "pillow", "numpy", "ai-edge-litert")


class Measured(NamedTuple):
    """Of one command: seconds on the wall and of the cores, peak MB (10^6 bytes), and what came of it."""

    seconds: float
    core_s: float
    peak_mb: float
    verdict: str

    @property
    def slow(self) -> bool:
        """Beyond the promise, and not only because the cores had others to serve."""
        return min(self.seconds, self.core_s) > BUDGET_S

    @property
    def said(self) -> str:
        """The verdict; a fault is bold."""
        return self.verdict if self.verdict.startswith(("read", "refused")) else f"**{self.verdict}**"

    @property
    def cells(self) -> str:
        """For the table; what is beyond the budget is bold."""
        memory, seconds = f"{self.peak_mb:.0f}", f"{self.seconds:.1f} ({self.core_s:.1f})"
        memory = f"**{memory}**" if self.peak_mb > BUDGET_MB else memory
        seconds = f"**{seconds}**" if self.slow else seconds
        return f"{memory} | {seconds}"


def measure(picture: Path, drawn: bool, detector: str) -> Measured:
    """Runs facecli on the picture in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        rows, made = Path(folder, "rows.jsonl"), Path(folder, "drawn")
        made.mkdir()
        command = [sys.executable, "-m", "facecli", "run", "--img", str(picture), "--no-show"]
        command += ["--json", str(rows), "--detector", detector]
        # A folder: what is not written as it was read becomes PNG.
        command += ["--output", str(made)] if drawn else []
        with open(Path(folder, "stderr"), "wb") as stderr:
            began = time.perf_counter()
            process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=stderr)
            code, usage = _waited(process)
            seconds = time.perf_counter() - began
        said = Path(folder, "stderr").read_text(errors="replace")
        row = json.loads(rows.read_text()) if rows.exists() and rows.stat().st_size else None
    core_s = usage.ru_utime + usage.ru_stime
    return Measured(seconds, core_s, usage.ru_maxrss * 1024 / 1e6, _verdict(code, row, said))


def _waited(process: subprocess.Popen) -> tuple[int, resource.struct_rusage]:
    """Exit code, and what the process used."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        # wait4, unlike getrusage, gives the memory of this child alone.
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage
        time.sleep(0.005)
    process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage


def _verdict(code: int, row: dict | None, said: str) -> str:
    if code < 0:
        return f"killed by signal {-code}"
    if "Traceback" in said:
        return "traceback"
    if row is None:
        return f"no row, exit code {code}"
    if row["error"] is None:
        faces = len(row["faces"])
        word = "1 face" if faces == 1 else f"{faces} faces"
        return f"read, {word}" if code == 0 else f"read, {word}, exit code {code}"
    return f"refused: {_reason(row['error'])}"


def _reason(error: str) -> str:
    """Without the path."""
    words = error.split()
    return " ".join(word for word in words if "/" not in word)[:90]


def main() -> None:
    """Prints the table, or writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="A file for the table.")
    parser.add_argument("--docs", type=Path, help="A document with marks for it.")
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--only", default="", help="Measure those whose name holds this; other lines stay.")
    given = parser.parse_args()
    conditions, lines = _conditions(given.detector), {}
    if given.only and given.output and given.output.exists():
        before, lines = _read(given.output)
        conditions = f"{before}\nThose with '{given.only}': {conditions}"
    for name, (suffix, _) in pictures().items():
        if given.only in name:
            lines[name] = _measured_line(name, suffix, given.detector)
            print(lines[name], flush=True)
    text = _text(conditions, lines)
    print(text)
    if given.output:
        given.output.write_text(f"# Memory and time for one picture\n\n{_ABOUT}\n\n{text}", encoding="utf-8")
    if given.docs:
        _fill(given.docs, text)


def _text(conditions: str, lines: dict[str, str]) -> str:
    """The table in the order of the pictures."""
    rows = [lines[name] for name in pictures() if name in lines]
    over = sum("**" in row for row in rows)
    end = f"Beyond {BUDGET_MB} MB or {BUDGET_S} s, or with a fault (bold): {over} of {len(rows)}."
    return "\n".join([conditions, "", *_HEAD, *rows, "", end]) + "\n"


def _read(document: Path) -> tuple[str, dict[str, str]]:
    """Conditions and lines of an earlier table."""
    text = document.read_text(encoding="utf-8")
    conditions = text.partition(_ABOUT)[2].partition(_HEAD[0])[0].strip()
    rows = [line for line in text.splitlines() if line.startswith("| ") and line not in _HEAD]
    return conditions, {line.split(" | ")[0].removeprefix("| "): line for line in rows}


def _fill(document: Path, text: str) -> None:
    """Puts the table between its marks."""
    before, _, rest = document.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    document.write_text(f"{before}{_BEGIN}\n{text}{_END}{after}", encoding="utf-8")


_BEGIN, _END = "<!-- memory:begin -->", "<!-- memory:end -->"
_HEAD = (
    "| picture | file, MB | rows: MB | s | with `--output`: MB | s | |",
    "|---|---|---|---|---|---|---|",
)
_ABOUT = (
    "`python benchmarks/reliability.py`: `facecli run --img X --no-show --json FILE`, alone and with\n"
    "`--output`, each in a process of its own. MB is the largest resident memory of the process, in\n"
    "millions of bytes; s are seconds on the wall, in brackets those of the cores. Bold: more than 700 MB,\n"
    "or more than 5 seconds by both clocks, since others use the machine, too."
)


def _measured_line(name: str, suffix: str, detector: str) -> str:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, f"picture{suffix}")
        subprocess.run([sys.executable, str(MAKE), name, str(picture)], check=True)
        size = picture.stat().st_size / 1e6
        alone, drawn = (measure(picture, wanted, detector) for wanted in (False, True))
    verdict = alone.said
    if drawn.said != verdict:
        verdict += f"; with --output: {drawn.said}"
    return f"| {name} | {size:.2f} | {alone.cells} | {drawn.cells} | {verdict} |"


def _conditions(detector: str) -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    return (
        f"{datetime.date.today()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f} when it began, Python {platform.python_version()}, {versions}, "
        f"detector {detector}."
    )


if __name__ == "__main__":
    main()
