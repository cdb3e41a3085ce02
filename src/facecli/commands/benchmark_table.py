"""The numbers of `facecli benchmark` as tables on stdout."""

from collections.abc import Mapping
from typing import Any


def print_results(results: Mapping[str, Any]) -> None:
    """Prints conditions, start-up and network, then a row for each scene."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    found = results["conditions"]
    console = Console(highlight=False)
    console.print(
        f"{found['cpu']}, {found['cores']} cores (load {found['load_1min']}), Python {found['python']}, "
        f"OpenCV {found['opencv-python']}; model {found['model']}, detector {found['detector']}",
        markup=False,
    )
    once = Table("once", "median", "middle half", box=box.SIMPLE)
    for name, timing in once_rows(results):
        once.add_row(name, f"{timing.median_ms:.1f} ms", f"{timing.low_ms:.1f}-{timing.high_ms:.1f}")
    console.print(once)
    frames = Table(
        *SCENE_HEADER,
        box=box.SIMPLE,
        title="milliseconds a frame; all: every step together, threaded, with tracks",
        title_justify="left",
    )
    frames.columns[0].overflow = "fold"
    for scene in results["scenes"]:
        # Text: names with [brackets] are not markup.
        frames.add_row(*map(Text, scene_row(scene)))
    console.print(frames)


SCENE_HEADER = ("scene", "faces", "decode", "detect", "predict", "annotate", "all", "fps")


def once_rows(results: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(name, timing) of start-up and of the network by number of faces."""
    rows = [(f"start: {name}", timing) for name, timing in results["startup"].items()]
    counted = {1: "1 face"}
    return rows + [
        (f"predict {counted.get(count, f'{count} faces')}", timing)
        for count, timing in results["predict"].items()
    ]


def scene_row(scene) -> tuple[str, ...]:
    """Cells under SCENE_HEADER."""
    steps = (f"{timing.median_ms:.1f}" for timing in scene.steps.values())
    together = f"{scene.end_to_end_ms:.1f}", f"{1000 / scene.end_to_end_ms:.0f}"
    return (scene.name, f"{scene.faces:.1f}", *steps, *together)
