"""Packages that bring things by entry points, put where Python finds them."""

import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[1] / "plugin_example"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a package with entry points where Python finds it."""

    def installed(package, source, names=("example",), group="facecli.detectors", attribute="DETECTOR"):
        folder = tmp_path / package
        info = folder / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{package}.py").write_text(source, encoding="utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        points = "".join(f"{name} = {package}:{attribute}\n" for name in names)
        (info / "entry_points.txt").write_text(f"[{group}]\n{points}")
        monkeypatch.syspath_prepend(str(folder))

    yield installed
    for name in [name for name in sys.modules if name.startswith(("plugged", "facecli_example"))]:
        del sys.modules[name]


@pytest.fixture
def example(install):
    """The example's detector."""
    install("facecli_example", (EXAMPLE / "facecli_example.py").read_text(encoding="utf-8"))


@pytest.fixture
def example_sink(install):
    """The example's sink."""
    source = (EXAMPLE / "facecli_example.py").read_text(encoding="utf-8")
    install("facecli_example", source, group="facecli.sinks", attribute="SINK")
