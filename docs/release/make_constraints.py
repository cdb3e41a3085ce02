"""Writes constraints.txt: the versions, with digests, that `make test` installs today (docs/releasing.md).

    make constraints

One digest a package: that of the file that pip takes on this Python and machine. It installs nothing. pip is
asked as it is set up here, so a machine with an index of its own names files of that index.
"""

import argparse
import ast
import json
import logging
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LISTS = ("RUN", "TRAIN", "WEB", "CLOUD", "MQTT", "PARQUET", "DEV")
"""Of setup.py: what `make test` installs, in `.ci/run`, too."""
_HEAD = """\
# What `make test` installs, by version and digest: {python} on {system}. `make constraints` writes it anew.
# `make test CONSTRAINTS=constraints.txt` installs this and nothing else; docs/releasing.md tells when.
"""
log = logging.getLogger("constraints")


def requirements(setup: str, lists: Iterable[str] = LISTS) -> list[str]:
    """The lines of lists of literals in the text of setup.py. Raises KeyError when a list is not there."""
    assigned = (node for node in ast.parse(setup).body if isinstance(node, ast.Assign))
    found = {
        target.id: ast.literal_eval(node.value)
        for node in assigned
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value, ast.List)
    }
    return [line for name in lists for line in found[name]]


def resolve(wanted: Iterable[str]) -> Mapping[str, Any]:
    """What pip would install into an empty environment, as its report says it.

    Raises CalledProcessError when pip finds no versions that go together.
    """
    with tempfile.TemporaryDirectory(prefix="facecli-constraints-") as folder:
        asked, report = Path(folder, "asked.txt"), Path(folder, "report.json")
        asked.write_text("\n".join(wanted), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*pip, "--report", str(report), "--requirement", str(asked)], check=True)
        return json.loads(report.read_text(encoding="utf-8"))


def lines_of(report: Mapping[str, Any]) -> list[str]:
    """A line for each package, sorted by name: "name==1.2 --hash=sha256:...".

    Raises ValueError for what is no file with a digest, as a folder or a repository.
    """
    lines = {}
    for item in report["install"]:
        name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
        digest = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if digest is None:
            raise ValueError(f"{name} has no digest: {item['download_info']['url']}")
        lines[name] = f"{name}=={item['metadata']['version']} --hash=sha256:{digest}"
    return [lines[name] for name in sorted(lines)]


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "constraints.txt")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    lines = lines_of(resolve(requirements((ROOT / "setup.py").read_text(encoding="utf-8"))))
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    head = _HEAD.format(python=python, system=f"{platform.system()} {platform.machine()}")
    options.output.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    log.info("%s: %d packages", options.output, len(lines))


if __name__ == "__main__":
    main()
