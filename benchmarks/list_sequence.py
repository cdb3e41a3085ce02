"""From a list of 120 addresses to a model, one of its epochs, and an attribute of one's own.

    python benchmarks/list_sequence.py                 some ten minutes on two cores
    python benchmarks/list_sequence.py --epochs 5 --epoch 3

The pictures are small faces of scikit-image's, half of them with eyeglasses drawn on, served on 127.0.0.1.
Two of them cannot be decoded, one is not there, three come slowly. What was typed and printed is in
benchmarks/list_sequence.md. Ages, genders and emotions are made up, so that figures about them say nothing;
what is shown is that the steps fit together and that no address is asked twice.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

import cv2
from list_pictures import dataturks, face_picture, picture_server, write_lines

HERE = Path(__file__).resolve().parent
KINDS = {5: "slow", 6: "slow", 7: "slow", 10: "text", 11: "cut", 12: "gone"}
PICTURES = 120
LINES, LETTERS = 40, 400
"""Of a step's output, that are kept, and letters of a line."""


class Failed(Exception):
    """A step did not end well."""


def with_glasses(number: int):
    """The picture of that number, (240, 320, 3) uint8 RGB; those that `dataturks` says so wear glasses."""
    image, left, side = face_picture(number), 20 + number % 100, 150
    if number // 3 % 2:
        eyes = [(left + round(share * side), 40 + round(0.36 * side)) for share in (0.3, 0.7)]
        for eye in eyes:
            cv2.circle(image, eye, side // 7, (15, 15, 15), 4, cv2.LINE_AA)
        cv2.line(
            image, (eyes[0][0] + side // 7, eyes[0][1]), (eyes[1][0] - side // 7, eyes[1][1]), (15, 15, 15), 4
        )
    return image


def run_step(arguments: list[str], folder: Path, server: str) -> str:
    """A section of the report: what was typed, how long it took, what it printed on both channels."""
    environment = os.environ | {"FACECLI_HOME": str(folder / "home"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    began = time.monotonic()
    command = [sys.executable, "-m", "facecli", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    typed = " ".join(arguments).replace(server, "http://127.0.0.1:8000")
    if done.returncode:
        raise Failed(f"facecli {typed}: exit {done.returncode}\n{done.stderr}")
    said = re.sub(
        r"\d\d:\d\d:\d\d ", "", f"{done.stderr}{done.stdout}".replace(server, "http://127.0.0.1:8000")
    )
    lines = said.replace(str(folder / "home"), "~/facecli").replace(str(folder), ".").strip().splitlines()
    kept = [
        line[:170] for line in (lines if len(lines) <= LINES else [*lines[:6], "...", *lines[-(LINES - 7) :]])
    ]
    return "\n".join(
        [f"## `facecli {typed}`", "", f"{time.monotonic() - began:.0f} s", "", "```", *kept, "```", ""]
    )


def steps(server: str, epochs: int, epoch: int) -> list[list[str]]:
    """What is typed, in order."""
    data, chosen = ["--data-path", "list.json"], ["--model-path", "mine", "--epoch", str(epoch)]
    photo, private = ["--img", f"{server}/face/123.jpg"], "--allow-private"
    trained = [
        "--model-type",
        "normal",
        "--heads",
        "age,gender",
        "--image-size",
        "48",
        "--patience",
        str(epochs),
    ]
    kept = ["--epochs", str(epochs), "--keep-epochs", "all", "--name", "mine", "--quiet"]
    return [
        ["data", "check", "list.json", private],
        ["train", *data, *trained, *kept],
        ["models", "show", "mine"],
        ["evaluate", *data, *chosen],
        ["run", *photo, private, *chosen, "--json", "-"],
        ["train", *data, "--heads", "glasses", "--name", "with_glasses", "--quiet"],
        ["run", *photo, private, "--model-path", "with_glasses", "--report", "report.html"],
        ["run", *photo, private, "--model-path", "with_glasses", "--json", "-"],
    ]


def measure(epochs: int, epoch: int) -> str:
    """The report. Raises Failed."""
    with tempfile.TemporaryDirectory() as name, picture_server(with_glasses) as server:
        folder = Path(name)
        entries = [dataturks(n, f"{server.url}/{KINDS.get(n, 'face')}/{n}.jpg") for n in range(PICTURES)]
        write_lines(folder / "list.json", entries)
        parts = [run_step(step, folder, server.url) for step in steps(server.url, epochs, epoch)]
        if "glasses" not in (folder / "report.html").read_text(encoding="utf-8"):
            raise Failed("the report does not tell of glasses")
        twice = {path: count for path, count in server.asked.items() if count > 1}
    # The photo that is not of the list is fetched by each run that is asked for it.
    twice.pop("/face/123.jpg", None)
    if twice:
        raise Failed(f"asked more than once: {twice}")
    head = [
        "# A list of 120 addresses, from check to use",
        "",
        f"Written by `python benchmarks/list_sequence.py --epochs {epochs} --epoch {epoch}` on",
        f"{platform.machine()}, {os.cpu_count()} cores, beside other work. Ages, genders and emotions are",
        f"made up: their figures say nothing. Each of the {PICTURES} addresses of the list was asked once.",
        "",
    ]
    return "\n".join([*head, *parts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--epoch", type=int, default=23)
    chosen = parser.parse_args()
    try:
        report = measure(chosen.epochs, chosen.epoch)
    except Failed as error:
        sys.exit(str(error))
    (HERE / "list_sequence.md").write_text(report, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
