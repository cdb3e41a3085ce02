"""Takes the steps of the Dockerfile without an engine: in a temporary root, on this machine's Python.

    python docker/rehearse.py                  all steps, the size, and a server (minutes, needs an index)
    python docker/rehearse.py --output docker/rehearsal.md

What it cannot show: that the base image has what the steps need. Its size is taken from `BASE_MB`.
Absolute paths of the steps (/build, /opt/facecli) are moved below the temporary root. The server then
runs as the image's user where this machine allows it, in a read-only root, and is asked for its health.
"""

import argparse
import datetime
import logging
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dockerfile import Ignored, Stage, Step, parse

ROOT = Path(__file__).resolve().parent.parent
BASE_MB = 130
"""python:3.11-slim, unpacked: about 75 MB of Debian, 12 MB of packages and 43 MB of Python."""
MOST_MB = 700
_MOVED = re.compile(r"(?<![\w./])/(build|opt|models)(?=[/\s\"']|$)")
_READ_ONLY = 'mount --bind / / && mount -o remount,ro,bind / && exec "$@"'
log = logging.getLogger("rehearse")


class Rehearsal:
    """One run through the stages; all of them share one root, as their paths do not collide."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ignored = Ignored((ROOT / ".dockerignore").read_text(encoding="utf-8"))
        self.environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        self.environment |= {"HOME": str(root), "SSL_CERT_FILE": os.environ.get("SSL_CERT_FILE", "")}
        self.folder = root

    def moved(self, text: str) -> str:
        """With the image's absolute paths below the temporary root."""
        return _MOVED.sub(lambda found: f"{self.root}/{found.group(1)}", text)

    def take(self, stage: Stage) -> list[tuple[str, float]]:
        """Every step and the seconds that it took."""
        took = []
        for step in stage.steps:
            start_s = time.perf_counter()
            getattr(self, f"_{step.word.lower()}", self._noted)(step)
            took.append((f"{step.word} {step.rest}", time.perf_counter() - start_s))
            log.info("%6.1f s  %s %s", took[-1][1], step.word, step.rest[:90])
        return took

    def _noted(self, step: Step) -> None:
        """Steps that only say something about the image."""

    def _workdir(self, step: Step) -> None:
        self.folder = Path(self.moved(step.rest))
        self.folder.mkdir(parents=True, exist_ok=True)

    def _env(self, step: Step) -> None:
        for name, value in Stage("", "", [step]).environment().items():
            self.environment[name] = self.moved(value).replace("$PATH", self.environment["PATH"])

    def _run(self, step: Step) -> None:
        command = self.moved(step.rest)
        subprocess.run(["/bin/sh", "-ec", command], cwd=self.folder, env=self.environment, check=True)

    def _copy(self, step: Step) -> None:
        *sources, target = step.arguments
        place = self.folder / self.moved(target)
        if step.option("from"):
            if self.moved(sources[0]) != str(place) or not place.is_dir():
                raise ValueError(f"{step.rest}: not a folder that an earlier stage left in that place")
            return
        for source in sources:
            self._copy_one(Path(source), place, into=target.endswith("/"))

    def _copy_one(self, source: Path, place: Path, into: bool) -> None:
        found = [path for path in [ROOT / source, *(ROOT / source).rglob("*")] if path.is_file()]
        kept = [path for path in found if not self.ignored(path.relative_to(ROOT))]
        if not kept:
            raise ValueError(f"COPY {source}: nothing there that .dockerignore lets through")
        for path in kept:
            below = path.relative_to(ROOT / source)
            target = place / (source.name if into else "") / below if below.parts else place / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)


def copied_mb(stage: Stage, rehearsal: Rehearsal) -> float:
    """Size in MB of what the final stage holds beyond its base image."""
    places = {step.arguments[-1].rstrip("/") for step in stage.all("COPY")}
    files = {path for place in places for path in Path(rehearsal.moved(place)).rglob("*")}
    return sum(path.lstat().st_size for path in files if not path.is_dir() or path.is_symlink()) / 1e6


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def can_mount() -> bool:
    """May this process have a read-only root of its own?"""
    command = ["unshare", "--mount", "sh", "-c", _READ_ONLY, "sh", "true"]
    return (
        shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0
    )


def start(entrypoint: list[str], environment: dict[str, str], read_only: bool) -> subprocess.Popen:
    """The server as the container starts it."""
    wrapped = ["unshare", "--mount", "sh", "-c", _READ_ONLY, "sh"] if read_only else []
    return subprocess.Popen([*wrapped, *entrypoint], cwd="/", env=environment, stderr=subprocess.PIPE)


def becomes_healthy(check: list[str], environment: dict[str, str], process: subprocess.Popen) -> float | None:
    """Seconds until the health check succeeds; None when the server ends or a minute passes."""
    start_s = time.perf_counter()
    while process.poll() is None and time.perf_counter() - start_s < 60:
        if subprocess.run(check, env=environment).returncode == 0:
            return time.perf_counter() - start_s
        time.sleep(0.1)
    return None


def serve_once(stage: Stage, moved, environment: dict[str, str], read_only: bool) -> dict[str, float]:
    """Starts, waits for health, stops by the image's signal. Raises RuntimeError."""
    environment = environment | {"FACECLI_PORT": str(free_port())}
    entrypoint = [moved(word) for word in stage.last("ENTRYPOINT").arguments]
    health = Step("CMD", stage.last("HEALTHCHECK").rest.partition("CMD ")[2])
    process = start(entrypoint, environment, read_only)
    try:
        healthy_s = becomes_healthy([moved(word) for word in health.arguments], environment, process)
        resident_mb = _resident_mb(process.pid)
    finally:
        process.send_signal(getattr(signal, stage.last("STOPSIGNAL").rest))
        stop_s = time.perf_counter()
        _, said = process.communicate(timeout=30)
    if healthy_s is None:
        raise RuntimeError(f"the server did not become healthy: {said.decode(errors='replace')[-2000:]}")
    return {
        "seconds until healthy": healthy_s,
        "resident MB": resident_mb,
        "seconds to stop": time.perf_counter() - stop_s,
    }


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    found = [int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS")]
    return found[0] if found else 0.0


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="write the table there, too")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    stages = parse((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="facecli-image-") as folder:
        rehearsal = Rehearsal(Path(folder))
        took = sum(seconds for stage in stages for _, seconds in rehearsal.take(stage))
        size_mb = copied_mb(stages[-1], rehearsal)
        read_only = can_mount()
        served = serve_once(stages[-1], rehearsal.moved, rehearsal.environment, read_only)
    rows = {
        "all steps (s)": took,
        "copied into the image (MB)": size_mb,
        f"with the base of about {BASE_MB} MB (limit {MOST_MB})": size_mb + BASE_MB,
        **served,
    }
    lines = ["| what | |", "|---|---|", *(f"| {name} | {value:.1f} |" for name, value in rows.items())]
    root = "a read-only root" if read_only else "an ordinary root (no mounts allowed here)"
    said = f"{datetime.date.today()}, {platform.platform()}, Python {platform.python_version()}"
    title = "# The steps of the Dockerfile, taken without an engine"
    report = "\n".join([title, "", f"{said}; served in {root}.", "", *lines, ""])
    log.info("%s", report)
    if options.output:
        options.output.write_text(report, encoding="utf-8")
    sys.exit(size_mb + BASE_MB > MOST_MB)


if __name__ == "__main__":
    main()
