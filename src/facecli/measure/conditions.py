"""What a measurement was made on: without it, numbers say nothing."""

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from facecli import __version__

_PACKAGES = ("numpy", "opencv-python", "ai-edge-litert")


def conditions() -> dict[str, Any]:
    """Machine and versions, as plain values."""
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "facecli": __version__,
        **{name: _version(name) for name in _PACKAGES},
    }


def _cpu() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        # OpenCV comes under several names.
        return None
