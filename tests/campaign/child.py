"""A command run to its end, with what it said, took and left."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

FACECLI = (sys.executable, "-m", "facecli")
MOST_BYTES = 4 << 30
"""A child that takes more is ended: the machine has others to serve."""
_POLL_S = 0.01


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        code: its exit code; negative: the signal that killed it.
        stdout: what it wrote there.
        stderr: likewise.
        seconds: from its start to its end.
        peak_bytes: the most memory that was resident.
        stopped: why the campaign killed it, or "".
    """

    code: int
    stdout: bytes
    stderr: str
    seconds: float
    peak_bytes: int
    stopped: str = ""


@dataclass(frozen=True)
class Limits:
    """Where a child is ended, and how it is disturbed.

    Attributes:
        seconds: until it is killed.
        kill: a signal, and after how many seconds it is sent.
        file_bytes: the largest file that it may write.
        stdout: a file that standard output goes to in place of being kept.
    """

    seconds: float = 120.0
    kill: tuple[signal.Signals, float] | None = None
    file_bytes: int | None = None
    stdout: Path | None = None


PLAIN = Limits()


def run_child(
    command: Sequence[str], cwd: Path, environment: Mapping[str, str], limits: Limits = PLAIN
) -> Ended:
    """Runs a command; every limit that it breaks ends it."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        child = subprocess.Popen(
            list(command),
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=open(limits.stdout, "wb") if limits.stdout else out,
            stderr=err,
            preexec_fn=_limiter(limits),
            start_new_session=True,
        )
        code, peak, stopped = _waited(child, limits, began)
        seconds = time.monotonic() - began
        return Ended(code, _content(out), _content(err).decode(errors="replace"), seconds, peak, stopped)


def _limiter(limits: Limits) -> Callable[[], None] | None:
    if limits.file_bytes is None:
        return None
    most = limits.file_bytes
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def _waited(child: subprocess.Popen, limits: Limits, began: float) -> tuple[int, int, str]:
    """Exit code, most bytes and why it was stopped."""
    stopped, kill, peak = "", limits.kill, 0
    while (code := child.poll()) is None:
        age = time.monotonic() - began
        # Not what `wait4` says: that counts the most that this very process had before the child began.
        peak = max(peak, memory_of(child.pid, "VmHWM"))
        if kill and age >= kill[1]:
            child.send_signal(kill[0])
            kill = None
        if not stopped and (stopped := _excess(child.pid, age, limits)):
            os.killpg(child.pid, signal.SIGKILL)
        time.sleep(_POLL_S)
    return code, peak, stopped


def _excess(pid: int, age: float, limits: Limits) -> str:
    if age > limits.seconds:
        return f"no end within {limits.seconds:.0f} s"
    if memory_of(pid, "VmRSS") > MOST_BYTES:
        return f"more than {MOST_BYTES / 1e6:.0f} MB"
    return ""


def memory_of(pid: int, field: str) -> int:
    """Bytes of a line of /proc/PID/status: VmRSS is now, VmHWM the most so far; 0 where nobody tells."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), 0)


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
