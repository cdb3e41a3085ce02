"""Commands and Python of the pages for users run as they are written there, in their order."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from facecli.core.images import save_image

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = (
    *(DOCS / name for name in ("index.md", "tutorial.md", "reference.md", "demo.md", "comparison.md")),
    *(DOCS / f"{name}.md" for name in ("fairness", "calibration", "limits_and_law", "options", "questions")),
    *sorted((DOCS / "how_to").glob("*.md")),
)
BLOCK = re.compile(
    r"^(?:<!-- needs: (?P<needs>\w+) -->\n)?```(?P<kind>console|sh|python)\n(?P<text>.*?)^```$"
    r"(?:\n\n```text\n(?P<printed>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)
MISSING = {"camera", "network"}
"""What a test cannot have. Such commands of facecli are at least parsed, by test_readme.py."""
SERVER = re.compile(r"facecli serve .*--port (\d+)")
PLAIN = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "CUDA_VISIBLE_DEVICES": "-1"}


@dataclass(frozen=True)
class Block:
    """Code of a page, and what it prints where that is shown. `needs`: see MISSING, or None."""

    kind: str
    text: str
    needs: str | None
    printed: str | None


def blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(one["kind"], one["text"], one["needs"], one["printed"]) for one in found]


def steps(block: Block) -> list[tuple[str, str | None]]:
    """Commands of a block, each with what it prints where lines follow it."""
    if block.kind == "sh":
        return [(line, None) for line in block.text.splitlines()]
    parts = block.text.removeprefix("$ ").split("\n$ ")
    told = (part.rstrip("\n").partition("\n") for part in parts)
    return [(command, printed or None) for command, _, printed in told]


@pytest.fixture
def reader(tmp_path, monkeypatch, astronaut, face_clip):
    """A reader's folder, and a `facecli` on their PATH: this one."""
    folder, programs = tmp_path / "reader", tmp_path / "bin"
    (folder / "photos").mkdir(parents=True)
    programs.mkdir()
    program = programs / "facecli"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m facecli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    save_image(folder / "photo.jpg", astronaut)
    save_image(folder / "photos" / "one.jpg", astronaut)
    save_image(folder / "photos" / "two.jpg", astronaut[:, ::-1])
    shutil.copyfile(face_clip, folder / "clip.mp4")
    for name, value in {**PLAIN, "PYTHONPATH": str(ROOT / "src")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def servers():
    """Those that a page has started; they end with it."""
    started: list[subprocess.Popen] = []
    yield started
    for server in started:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def start_server(command: str, port: int) -> subprocess.Popen:
    pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
    server = subprocess.Popen(shlex.split(command), stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz").close()
            return server
        except (urllib.error.URLError, ConnectionError):
            assert server.poll() is None, f"{command} ended"
            time.sleep(0.1)
    server.kill()
    raise AssertionError(f"{command} does not answer")


def with_port(text: str, ports: dict[str, str]) -> str:
    """The text with a free port in place of each that a page names: it may be taken here."""
    for named in re.findall(r"(?:--port |127\.0\.0\.1:)(\d+)", text):
        if named not in ports:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                ports[named] = str(listener.getsockname()[1])
        text = text.replace(named, ports[named])
    return text


def run_command(command: str, printed: str | None, servers: list[subprocess.Popen]) -> None:
    if found := SERVER.match(command):
        servers.append(start_server(command, int(found[1])))
        return
    if command.startswith("curl") and shutil.which("curl") is None:
        pytest.skip("no curl here")
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    if command.startswith("curl"):
        assert '"status":4' not in done.stdout
    if printed is not None:
        assert [line.rstrip() for line in done.stdout.strip("\n").splitlines()] == printed.splitlines()


def run_python(text: str, printed: str | None, folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", text], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert printed is None or done.stdout == printed


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=lambda page: page.stem)
def test_page_runs_as_written(page, reader, servers):
    ports: dict[str, str] = {}
    for block in blocks(page):
        if block.needs is not None:
            continue
        if block.kind == "python":
            run_python(with_port(block.text, ports), block.printed, reader)
            continue
        for command, printed in steps(block):
            run_command(with_port(command, ports), printed, servers)


def test_the_pages_have_what_is_run():
    found = {
        page.stem: [block for block in blocks(page) if block.needs is None] for page in PAGES if page.exists()
    }
    for name in ("index", "tutorial", "anonymise", "spreadsheet", "small_computer", "rest"):
        assert found[name], name


def test_only_what_a_test_cannot_have_is_left_out():
    for page in PAGES:
        for block in blocks(page) if page.exists() else []:
            assert block.needs is None or block.needs in MISSING
            network = block.needs == "network"
            assert not network or all(
                line.startswith(("pip ", "python3 -m venv")) for line in block.text.splitlines()
            )


def test_no_block_is_of_a_kind_that_is_not_run():
    fences = re.compile(r"^```(\S+)$", re.MULTILINE)
    for page in PAGES:
        if page.exists():
            assert set(fences.findall(page.read_text(encoding="utf-8"))) <= {
                "console",
                "sh",
                "python",
                "text",
            }
