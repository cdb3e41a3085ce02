"""What the page of the demonstration needs: models of the checkout, and LiteRT for the web from npm."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent / "demonstration"
MODELS = ("face_detector", "face_landmarks", "open_model")


def fetch(folder: Path) -> Path | None:
    """Installs what demonstration/package-lock.json names; its folder, or None where npm gives none."""
    npm = shutil.which("npm")
    if npm is None:
        sys.stderr.write("npm is not here: the site is built without the demonstration\n")
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, folder / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    if subprocess.run(command, cwd=folder, check=False).returncode:
        sys.stderr.write("npm could not fetch LiteRT: the site is built without the demonstration\n")
        return None
    return folder / "node_modules"


def search_shim(runtime: Path | None) -> Path | None:
    """What lets a page that was opened as a file search; browsers start no workers there."""
    return None if runtime is None else runtime / "iframe-worker" / "shim" / "index.js"


def write(folder: Path, runtime: Path | None) -> None:
    """Fills a folder with scripts, models and runtime; without the latter, with what says so."""
