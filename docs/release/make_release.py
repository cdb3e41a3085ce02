"""Builds what a release consists of from the last commit, checks it, lays it into dist/ (docs/releasing.md).

    make release
    make release PYTHONS="python3.10 python3.13"
    python docs/release/make_release.py --without-docker

It works on a copy of what is committed, with tools of its own, all below a temporary folder. What lies in
dist/ changes only when every check has passed. It needs git, an index to install from, and minutes.
"""

import argparse
import email
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("build>=1.2,<2", "twine>=7,<8", "cyclonedx-bom>=7,<8")
OLDEST, NEWEST = 10, 14
"""Minor versions of Python 3 that are looked for."""
PICTURE, FACES = Path("docs/images/turned.jpg"), 4
"""What every installed wheel has to read, and how many faces it shows."""
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_LEAST_NOTES = 100
_HIDDEN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "FACECLI_HOME", "__PYVENV_LAUNCHER__")
log = logging.getLogger("release")


class ReleaseError(Exception):
    """A check that failed: what, and what it said."""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Standard output of a command that sees nothing of this checkout. Raises ReleaseError when it fails."""
    kept = {name: value for name, value in os.environ.items() if name not in _HIDDEN}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=kept | environment, text=True, capture_output=True)
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()[-3000:]
        raise ReleaseError(f"{' '.join(words)}: exit code {done.returncode}\n{said}")
    return done.stdout


@dataclass(frozen=True)
class Words:
    """What the sources say of the release.

    Attributes:
        version: of src/facecli/__init__.py.
        notes: what CHANGELOG.md says of it, without the heading.
        heading: "1.0.0 - 2026-12-24", or "Unreleased" as long as nobody has put the version there.
    """

    version: str
    notes: str
    heading: str


def read_words(tree: Path) -> Words:
    """Raises ReleaseError when the version differs between files, or when there are no notes."""
    package = (tree / "src/facecli/__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "([^"]+)"$', package, re.MULTILINE)
    cited = re.search(r"^version: (\S+)$", (tree / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    if not version or not cited or version[1] != cited[1]:
        raise ReleaseError("src/facecli/__init__.py and CITATION.cff name no version, or two")
    sections = re.split(r"^## ", (tree / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    for section in sections:
        heading, _, notes = section.partition("\n")
        if heading == "Unreleased" and len(notes.strip()) < _LEAST_NOTES:
            continue
        if heading == "Unreleased" or heading.split()[0] == version[1]:
            return Words(version[1], notes.strip() + "\n", heading.strip())
    raise ReleaseError(f"CHANGELOG.md says nothing of {version[1]}: neither its own section nor 'Unreleased'")


def export(commit: str, target: Path) -> None:
    """What a commit holds, as files below `target`."""
    archive = target.with_suffix(".tar")
    run("git", "archive", "--output", archive, commit, cwd=ROOT)
    with tarfile.open(archive) as files:
        files.extractall(target, filter="data")
    archive.unlink()


def changed_files() -> list[str]:
    """Files of git that differ from the last commit."""
    return run("git", "status", "--porcelain", "--untracked-files=no", cwd=ROOT).splitlines()


# --- Pythons --------------------------------------------------------------------------------------


def candidates() -> Iterator[Path]:
    """Interpreters of this machine: this one, those of PATH, of pyenv and of uv. Not all of them may work."""
    yield Path(sys.executable)
    names = [f"python3.{minor}" for minor in range(OLDEST, NEWEST + 1)]
    yield from (Path(found) for name in names if (found := shutil.which(name)))
    home = Path.home()
    folders = (
        Path(os.environ.get("PYENV_ROOT", home / ".pyenv"), "versions"),
        Path(os.environ.get("UV_PYTHON_INSTALL_DIR", home / ".local/share/uv/python")),
    )
    for folder in folders:
        yield from sorted(folder.glob("*/bin/python3"))


def minor_version(python: str | Path) -> int | None:
    """N of Python 3.N; None for what does not run, or makes no environments."""
    code = "import ensurepip, ssl, sys, venv; print(sys.version_info.minor, sys.version_info.major)"
    try:
        said = run(python, "-c", code, cwd=Path.home()).split()
    except (ReleaseError, OSError):
        return None
    return int(said[0]) if said[1:] == ["3"] else None


def choose_pythons(asked: Sequence[str]) -> dict[int, Path]:
    """Minor version -> interpreter: those that were asked for, else the oldest and the newest here.

    Raises ReleaseError for one that was asked for and does not work.
    """
    found: dict[int, Path] = {}
    for python in asked or map(str, candidates()):
        minor = minor_version(python)
        if asked and minor is None:
            raise ReleaseError(f"{python} does not run, or has no module venv; name another with --python")
        if minor is not None and (asked or OLDEST <= minor <= NEWEST):
            found.setdefault(minor, Path(shutil.which(python) or python))
    ends = {min(found), max(found)}
    return {minor: found[minor] for minor in sorted(found) if asked or minor in ends}


# --- building -------------------------------------------------------------------------------------


def build(tree: Path, tools: Path, target: Path) -> tuple[Path, Path]:
    """(source archive, wheel built from it) in `target`; the archive builds the wheel that the tree builds.

    Raises ReleaseError when it builds another one.
    """
    from_tree = target.parent / "from_tree"
    run(tools, "-m", "build", "--outdir", target, tree, cwd=target.parent)
    run(tools, "-m", "build", "--wheel", "--outdir", from_tree, tree, cwd=target.parent)
    (archive,), (wheel,), (other,) = target.glob("*.tar.gz"), target.glob("*.whl"), from_tree.glob("*.whl")
    if wheel.name != other.name or (differing := differences(wheel, other)):
        raise ReleaseError(f"the source archive builds another wheel than the tree: {', '.join(differing)}")
    return archive, wheel


def differences(one: Path, other: Path) -> list[str]:
    """Names of files that two wheels have not in common, or with other contents; times do not matter."""
    first, second = digests(one), digests(other)
    return sorted(name for name in {*first, *second} if first.get(name) != second.get(name))


def digests(archive: Path) -> dict[str, str]:
    """Name -> sha256 of the files in a zip or wheel."""
    with zipfile.ZipFile(archive) as files:
        return {name: hashlib.sha256(files.read(name)).hexdigest() for name in files.namelist()}


def pack_models(tree: Path, target: Path) -> None:
    """The whole folders of the shipped models, Keras networks too, as one zip; equal files give the same."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((tree / "saved_model").rglob("*")):
            if path.is_file() and path.name != ".gitkeep":
                entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), _ZIP_DATE)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(entry, path.read_bytes())


# --- checks ---------------------------------------------------------------------------------------


def check_metadata(wheel: Path, archive: Path, words: Words, tools: Path) -> str:
    """Raises ReleaseError when an index would not take them, or would show another version."""
    run(tools, "-m", "twine", "check", "--strict", wheel, archive, cwd=wheel.parent)
    with zipfile.ZipFile(wheel) as files:
        (name,) = (name for name in files.namelist() if name.endswith(".dist-info/METADATA"))
        known = email.message_from_bytes(files.read(name))
    if known["Version"] != words.version or not known["License-Expression"]:
        raise ReleaseError(
            f"the wheel says version {known['Version']}, license {known['License-Expression']}"
        )
    return (
        f"metadata: {known['Name']} {known['Version']}, {known['License-Expression']}; twine has no complaint"
    )


def install(python: Path, wheel: Path, folder: Path) -> Path:
    """A fresh environment with the wheel and what it needs; gives its Python."""
    run(python, "-m", "venv", folder, cwd=folder.parent)
    inside = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(inside, "-m", "pip", "install", "--quiet", wheel, cwd=folder.parent)
    return inside


def try_wheel(python: Path, tree: Path, models: Path, version: str) -> str:
    """Runs an installed wheel in an empty folder. Raises ReleaseError when it does not do what it should."""
    with tempfile.TemporaryDirectory(prefix="facecli-elsewhere-") as name:
        folder = Path(name)
        shutil.copy2(tree / PICTURE, folder)
        said = run(python, "-m", "facecli", "--version", cwd=folder).split()[-1]
        if said != version:
            raise ReleaseError(f"the installed wheel calls itself {said}")
        options = ("--no-show", "--json", "rows.jsonl", "--output", "drawn.png")
        run(python, "-m", "facecli", "run", PICTURE.name, *options, cwd=folder)
        row = json.loads((folder / "rows.jsonl").read_text(encoding="utf-8"))
        ages = [face.get("age_years") for face in row["faces"]]
        if len(ages) != FACES or None in ages or not (folder / "drawn.png").stat().st_size:
            raise ReleaseError(f"{FACES} faces of {PICTURE.name} should have ages, these have: {ages}")
        home = folder / "home"
        with zipfile.ZipFile(models) as archive:
            archive.extractall(home)
            networks = [home / name for name in archive.namelist() if name.endswith((".keras", ".tflite"))]
        said = run(python, "-m", "facecli", "models", "verify", cwd=folder, FACECLI_HOME=str(home))
        if unsaid := [path for path in networks if f"{path}\n" not in said]:
            raise ReleaseError(f"'facecli models verify' says nothing of {unsaid[0]}")
    shown = ", ".join(f"{age:g}" for age in ages)
    return f"{len(ages)} faces of {PICTURE.name}, ages {shown}; {len(networks)} networks of the zip verified"


def write_bill(python: Path, tools: Path, target: Path, version: str) -> str:
    """The software bill of materials (CycloneDX, JSON) of an environment with the wheel.

    Raises ReleaseError when facecli is not in it.
    """
    # Neither is part of what is released.
    run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools", "pip", cwd=target.parent)
    command = ("environment", "--output-reproducible", "--output-format", "JSON", "--output-file", target)
    run(tools, "-m", "cyclonedx_py", *command, python, cwd=target.parent)
    bill = rooted(json.loads(target.read_text(encoding="utf-8")), version)
    target.write_text(json.dumps(bill, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return f"bill of materials: {len(bill['components'])} packages, {bill['bomFormat']} {bill['specVersion']}"


def rooted(bill: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The bill with facecli as what it is about, not as one of the parts, and without this machine's folders.

    Raises ReleaseError when facecli is not in it.
    """
    parts = {part["name"]: part for part in bill["components"]}
    about = dict(parts.pop("facecli", {}))
    if about.get("version") != version:
        raise ReleaseError(f"the bill of materials holds no facecli {version}")
    # Where pip took the wheel from: a temporary folder.
    about.pop("externalReferences", None)
    about |= {"type": "application", "purl": f"pkg:pypi/facecli@{version}"}
    metadata = {**bill["metadata"], "component": about}
    return {**bill, "metadata": metadata, "components": list(parts.values())}


def write_sums(folder: Path) -> None:
    """SHA256SUMS of all files of a folder, as `sha256sum --check` reads it."""
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8", newline="\n")


def rehearse_image(tree: Path) -> str:
    """Takes the steps of the Dockerfile. Raises ReleaseError when one fails, or for too large an image."""
    said = run(sys.executable, tree / "docker/rehearse.py", cwd=tree)
    rows = [line for line in said.splitlines() if line.startswith("| ") and "| |" not in line]
    return "\n".join(["image, by docker/rehearse.py:", *rows])


# --- all of it ------------------------------------------------------------------------------------


def make(work: Path, options: argparse.Namespace) -> Path:
    """Everything in a folder below `work`. Raises ReleaseError."""
    tree, target = work / "facecli", work / "dist"
    target.mkdir()
    export("HEAD", tree)
    words = read_words(tree)
    log.info("facecli %s; notes from the section '%s'", words.version, words.heading)
    pythons = choose_pythons(options.python)
    log.info("Pythons: %s", ", ".join(f"3.{minor} ({path})" for minor, path in pythons.items()))
    venv.create(work / "tools", with_pip=True)
    tools = work / "tools" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(tools, "-m", "pip", "install", "--quiet", *TOOLS, cwd=work)
    archive, wheel = build(tree, tools, target)
    log.info("%s and %s: the archive builds the wheel that the tree builds", archive.name, wheel.name)
    log.info("%s", check_metadata(wheel, archive, words, tools))
    models = target / f"facecli-{words.version}-models.zip"
    pack_models(tree, models)
    for minor, python in pythons.items():
        inside = install(python, wheel, work / f"python3.{minor}")
        log.info("Python 3.%d: %s", minor, try_wheel(inside, tree, models, words.version))
    bill = target / f"facecli-{words.version}.cdx.json"
    log.info("%s", write_bill(inside, tools, bill, words.version))
    if not options.without_docker:
        log.info("%s", rehearse_image(tree))
    (target / f"facecli-{words.version}-notes.md").write_text(words.notes, encoding="utf-8")
    write_sums(target)
    return target


def lay_out(made: Path, dist: Path) -> None:
    """Puts what was made into dist/ in place of what an earlier call has put there."""
    dist.mkdir(exist_ok=True)
    for old in (*dist.glob("facecli-*"), dist / "SHA256SUMS"):
        old.unlink(missing_ok=True)
    for path in sorted(made.iterdir()):
        shutil.copy2(path, dist)


def main(arguments: Iterable[str] | None = None) -> int:
    """All of it; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[], help="where to try the wheel; may recur")
    parser.add_argument("--without-docker", action="store_true", help="leave the image out")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="in place of dist/")
    options = parser.parse_args(None if arguments is None else list(arguments))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        if changed := changed_files():
            raise ReleaseError("what is not committed is not released: " + ", ".join(changed))
        with tempfile.TemporaryDirectory(prefix="facecli-release-") as work:
            lay_out(make(Path(work).resolve(), options), options.output)
    except ReleaseError as error:
        log.error("No release: %s", error)
        return 1
    sizes: Mapping[str, int] = {path.name: path.stat().st_size for path in sorted(options.output.iterdir())}
    log.info("%s:\n%s", options.output, "\n".join(f"  {name}  {size:,}" for name, size in sizes.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
