"""Runs the commands that README.md and docs/pictures.md show with their output, and writes it into them.

    python benchmarks/readme_outputs.py

A console block that follows the line `<!-- output -->` is rewritten: its `$ ` lines are run in
the repository's root, in the environment of this Python, and what they print follows each.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "pictures.md")
BLOCK = re.compile(r"(?<=<!-- output -->\n```console\n)(.*?)(?=```\n)", re.DOTALL)
# Wide enough for a table, and the same on every machine.
PLAIN = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}


def output_of(command: str) -> str:
    """What a facecli command prints on standard output. Raises CalledProcessError when it fails."""
    name, *arguments = shlex.split(command)
    if name != "facecli":
        raise ValueError(f"only facecli commands can be shown with their output, not: {command}")
    done = subprocess.run(
        [sys.executable, "-m", "facecli", *arguments],
        cwd=ROOT,
        env=os.environ | PLAIN,
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.strip("\n").splitlines())


def renewed(text: str) -> str:
    """Text of a page with the output of each marked block made anew."""

    def block(match: re.Match[str]) -> str:
        commands = [line for line in match[1].splitlines() if line.startswith("$ ")]
        return "".join(f"{line}\n{output_of(line.removeprefix('$ '))}" for line in commands)

    return BLOCK.sub(block, text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
