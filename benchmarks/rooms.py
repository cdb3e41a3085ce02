"""How many rooms the house has, and how many a picture and a frame walk through.

    python benchmarks/rooms.py [--source SRC ...]

For each source tree (default: this one): modules, lines, functions, and the files of the package that
`facecli run --img` and `facecli run --video` enter, counted with a profile hook. Prints a table.
"""

import argparse
import ast
import json
import os
import statistics
import subprocess
import sys
import tempfile
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
    sources = parser.parse_args().source or [HERE.parent / "src"]
    rows = [measured(source.resolve()) for source in sources]
    print(f"| | {' | '.join(f'`{source}`' for source in sources)} |")
    print("|---" * (len(rows) + 1) + "|")
    for name in rows[0]:
        print(f"| {name} | {' | '.join(str(row[name]) for row in rows)} |")


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
