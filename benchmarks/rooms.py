"""How many rooms the house has, and how many a picture and a frame walk through.

    python benchmarks/rooms.py [--source SRC ...] [--runs N]

For each source tree (default: this one): modules, lines, functions, and the files of the package that
`facecli run --img` and `facecli run --video` enter, counted with a profile hook. Prints a table;
with --runs and several trees it also times commands, and writes rooms.md.
"""

import argparse
import ast
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIZE, FRAMES = (320, 240), 12
COUNT = """
import inspect, json, os, sys, threading
import facecli
package, entered = os.path.dirname(facecli.__file__), set()
def hook(frame, event, argument):
    # Bodies of modules and classes run when they are imported; functions alone are optimised code.
    if event == "call" and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        if frame.f_code.co_filename.startswith(package):
            entered.add(frame.f_code.co_filename)
threading.setprofile(hook)
sys.setprofile(hook)
from facecli.cli import main
code = main(json.loads(sys.argv[1]))
sys.setprofile(None)
print(code, len(entered), file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, action="append", help="A folder that holds facecli/.")
    parser.add_argument("--runs", type=int, default=0, help="Also time commands, in turns, so often.")
    arguments = parser.parse_args()
    sources = [source.resolve() for source in arguments.source or [HERE.parent / "src"]]
    rows = [measured(source) for source in sources]
    if arguments.runs:
        for row, medians in zip(rows, times(sources, arguments.runs), strict=True):
            row.update(medians)
    called = [f"`{source}`" for source in sources]
    table = [f"| | {' | '.join(called)} |", "|---" * (len(rows) + 1) + "|"]
    table += [f"| {name} | {' | '.join(str(row[name]) for row in rows)} |" for name in rows[0]]
    print("\n".join(table))
    if len(sources) > 1 and arguments.runs:
        head = f"`python {' '.join(sys.argv)}`, {date.today()}, Python {platform.python_version()}, "
        head += f"{os.cpu_count()} cores. Medians of {arguments.runs} runs in turns, "
        head += "start included, in time of a processor; bytecode is there before."
        text = "\n".join(["# Rooms, old and new", "", head, "", *table])
        Path(__file__).with_suffix(".md").write_text(f"{text}\n", encoding="utf-8")


def times(sources: list[Path], runs: int) -> list[dict[str, str]]:
    """Medians of some commands, in milliseconds of a processor, for each source."""
    with tempfile.TemporaryDirectory() as folder:
        picture, clip = draw(Path(folder))
        commands = {
            "`--help`": ["--help"],
            "`run --help`": ["run", "--help"],
            "`run --img`": ["run", "--img", picture, "--json", "-"],
            "`run --img`, 200 pictures": ["run", *["--img", picture] * 200, "--json", "-"],
            "`run --video`, 12 frames": ["run", "--video", clip, "--no-show", "--json", "-"],
        }
        found: list[dict[str, str]] = [{} for _ in sources]
        for name, command in commands.items():
            taken: list[list[float]] = [[] for _ in sources]
            for source in sources:
                # Compiles what was not.
                timed(source, command, Path(folder, "compiled"))
            for _ in range(runs):
                for place, source in zip(taken, sources, strict=True):
                    place.append(timed(source, command, Path(folder, "compiled")))
            for row, place in zip(found, taken, strict=True):
                row[name] = f"{1000 * statistics.median(place):.0f} ms"
        return found


def timed(source: Path, command: list, compiled: Path) -> float:
    """Seconds of a processor that one run takes: others on the machine do not matter as they do for a clock.

    `compiled` keeps bytecode, as installed packages have it: where PYTHONDONTWRITEBYTECODE is set, or folders
    cannot be written, each run would compile all sources anew.
    """
    given = [sys.executable, "-m", "facecli", *map(str, command)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(source), "PYTHONPYCACHEPREFIX": str(compiled)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(given, env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(source: Path) -> dict[str, object]:
    """What the table says of a source tree."""
    modules = [path for path in (source / "facecli").rglob("*.py") if path.name != "__init__.py"]
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in modules]
    functions = [
        node.end_lineno - node.lineno + 1
        for path in modules
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]
    with tempfile.TemporaryDirectory() as folder:
        picture, clip = draw(Path(folder))
        return {
            "modules": len(modules),
            "lines of the median module": round(statistics.median(lines)),
            "lines of the longest": max(lines),
            "lines of the median function": round(statistics.median(functions)),
            "files entered by `run --img`": entered(source, "--img", picture, "--json", "-"),
            "files entered by `run --video`": entered(source, "--video", clip, "--no-show", "--json", "-"),
        }


def draw(folder: Path) -> tuple[Path, Path]:
    """A picture of a real face (scikit-image's, of the public domain), and a clip of it."""
    import cv2
    from skimage import data

    frame = cv2.resize(cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR), SIZE)
    picture, clip = folder / "photo.png", folder / "clip.avi"
    cv2.imwrite(str(picture), cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR))
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, SIZE)
    for _ in range(FRAMES):
        writer.write(frame)
    writer.release()
    return picture, clip


def entered(source: Path, *arguments: object) -> int:
    """Files of the package in which a function is called, in a process of its own."""
    given = json.dumps(["run", *map(str, arguments)])
    environment = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, "-c", COUNT, given]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    code, count = done.stderr.split()[-2:]
    if code != "0":
        raise SystemExit(f"{' '.join(command[3:])} failed: {done.stderr}")
    return int(count)


if __name__ == "__main__":
    main()
