"""The benchmark as a picture: what a frame's time is spent on. Needs matplotlib (the train lane)."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from facecli.core.errors import OutputError
from facecli.core.paths import replacing
from facecli.measure.stages import STEPS, Scene

_COLOURS = {"decode": "#777777", "detect": "#0072B2", "predict": "#D55E00", "annotate": "#009E73"}
"""Okabe and Ito's (2008), which colour-blind people can tell apart."""


def check_suffix(path: Path) -> None:
    """Raises OutputError when no picture of that kind can be written."""
    formats = Figure().canvas.get_supported_filetypes()
    if path.suffix.lower().lstrip(".") not in formats:
        raise OutputError(f"{path} has no picture suffix; use .png or .svg")


def save_chart(path: Path, scenes: Sequence[Scene], title: str) -> None:
    """A stacked bar for each scene, and a mark for all of it together.

    Raises OutputError when the file cannot be written.
    """
    figure = Figure(figsize=(8, 1.6 + 0.7 * len(scenes)), dpi=120, layout="constrained")
    axes = figure.subplots()
    names = [f"{scene.name}\n{round(scene.faces, 1):g} faces" for scene in scenes]
    left = [0.0] * len(scenes)
    for step in STEPS:
        widths = [scene.steps[step].median_ms for scene in scenes]
        axes.barh(names, widths, left=left, height=0.55, color=_COLOURS[step], label=step)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    together = [scene.end_to_end_ms for scene in scenes]
    axes.plot(together, names, "kD", markersize=7, label="together, threaded, with tracks")
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(*left, *together))
    axes.set_xlabel("milliseconds a frame (medians)")
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#e6e6e6")
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=len(STEPS) + 1, frameon=False, fontsize=9)
    with replacing(path) as temporary:
        figure.savefig(temporary)
