"""What `pip install` of facecli brings, in MB, and what it brings on a machine without a screen.

    python benchmarks/install_size.py --output benchmarks/install_size.md

Installs the checkout into fresh environments, as a user does, and adds up the files of site-packages but for
pip and setuptools, which every environment has. 1 MB is 10^6 bytes.
"""

import argparse
import datetime
import os
import platform
import shutil
import subprocess
import tempfile
import venv
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADLESS = "opencv-python-headless>=4.10,<4.13"
KINDS = {
    'pip install "."': ["."],
    'pip install ".[plot]"': [".[plot]"],
    'pip install ".[web]"': [".[web]"],
    "without windows": ["."],
}
SMALL = 3_000_000


def install(folder: Path, wanted: list[str], checkout: Path, headless: bool) -> Counter[str]:
    """Package -> bytes in a fresh environment."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", *wanted], cwd=checkout, check=True)
    if headless:
        subprocess.run([*pip, "uninstall", "--yes", "opencv-python"], check=True)
        subprocess.run([*pip, "install", HEADLESS], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    sizes: Counter[str] = Counter()
    for entry in packages.iterdir():
        name = entry.name.partition(".")[0].partition("-")[0]
        if name not in ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils"):
            sizes[
                {"opencv_python": "cv2", "opencv_python_headless": "cv2", "PIL": "pillow"}.get(name, name)
            ] += size_of(entry)
    return sizes


def size_of(entry: Path) -> int:
    """Bytes of a file, or of all in a folder."""
    if entry.is_file():
        return entry.stat().st_size
    return sum(path.stat().st_size for path in entry.rglob("*") if path.is_file())


def table(found: dict[str, Counter[str]]) -> list[str]:
    """The lines of a Markdown table: large packages, the rest, the sum."""
    names = {name for sizes in found.values() for name, size in sizes.items() if size >= SMALL}
    order = sorted(names, key=lambda name: -max(sizes[name] for sizes in found.values()))
    rows = [(name, [sizes[name] for sizes in found.values()]) for name in order]
    rows.append(("others", [sum(s for n, s in sizes.items() if n not in names) for sizes in found.values()]))
    rows.append(("**all**", [sizes.total() for sizes in found.values()]))
    lines = ["| MB | " + " | ".join(f"`{kind}`" if "pip" in kind else kind for kind in found) + " |"]
    lines.append("|" + "---|" * (len(found) + 1))
    for name, sizes in rows:
        lines.append(f"| {name} | " + " | ".join(f"{size / 1e6:.0f}" for size in sizes) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, required=True)
    output = parser.parse_args().output.absolute()
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        # Building leaves files in the tree that is built.
        checkout = Path(temporary) / "facecli"
        shutil.copytree(
            ROOT, checkout, ignore=shutil.ignore_patterns(".*", "build", "out", "data", "*.egg-info")
        )
        for number, (kind, wanted) in enumerate(KINDS.items()):
            sizes = install(Path(temporary) / str(number), wanted, checkout, "without" in kind)
            found[kind] = sizes
    conditions = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    lines = [
        "# What an installation takes",
        "",
        f"`python benchmarks/install_size.py --output {os.path.relpath(output, ROOT)}`, "
        f"{datetime.date.today()}, {conditions}. "
        "cv2 is OpenCV, av PyAV with FFmpeg's libraries. Without windows: "
        f"`pip uninstall opencv-python`, then `pip install '{HEADLESS}'`.",
        "",
        *table(found),
    ]
    output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
