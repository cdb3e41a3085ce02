"""`facecli benchmark`: what this machine does."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecli.cli.options import (
    check_detector_options,
    check_model_path,
    check_targets,
    detector_options,
    model_files,
    model_path_option,
    model_type_option,
)
from facecli.cli.output import say, write_text
from facecli.core.console import bars_wanted, stderr_console
from facecli.core.errors import InputError

if TYPE_CHECKING:
    from facecli.infer.analyzer import Analyzer
    from facecli.measure.stages import Scene

SCENE_HEADER = ("scene", "faces", "decode", "detect", "predict", "annotate", "all", "fps")

_SCENE_FACES = 4
_FEWEST_STARTS = 3


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


def once_rows(results: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(name, timing) of start-up and of the network by number of faces."""
    rows = [(f"start: {name}", timing) for name, timing in results["startup"].items()]
    counted = {1: "1 face"}
    return rows + [
        (f"predict {counted.get(count, f'{count} faces')}", timing)
        for count, timing in results["predict"].items()
    ]


def scene_row(scene: "Scene") -> tuple[str, ...]:
    """Cells under SCENE_HEADER."""
    steps = (f"{timing.median_ms:.1f}" for timing in scene.steps.values())
    together = f"{scene.end_to_end_ms:.1f}", f"{1000 / scene.end_to_end_ms:.0f}"
    return (scene.name, f"{scene.faces:.1f}", *steps, *together)


@click.command()
@click.option("--video", metavar="CLIP", help="Measure this clip instead of the drawn scene.")
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="Number of frames of each clip and repetitions of each step; start-up is repeated a tenth as often.",
)
@click.option(
    "--json",
    "json_target",
    metavar="FILE",
    help="Write all numbers as JSON; - is standard output, without the table.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw a bar chart, .png or .svg (needs matplotlib).",
)
@model_type_option()
@model_path_option()
@detector_options
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Number of threads of the detector and network.  [default: cores, at most 4]",
)
def benchmark(**options: Any) -> None:
    """Measure the speed of start-up, of each processing step, and of whole clips.

    By default it uses a drawn scene with four faces at 480p, 720p and 1080p, so that machines can be
    compared. Close other programs first.

    \b
    Examples:
      facecli benchmark
      facecli benchmark --video clip.mp4 --json bench.json --plot bench.png
    """
    _check(options)
    results = _measured(options)
    if options["json_target"]:
        _write_json(options["json_target"], results)
    if options["plot"]:
        _plot(options["plot"], results)
    if options["json_target"] != "-":
        _print(results)


def _check(options: dict[str, Any]) -> None:
    """What can be refused before minutes are spent."""
    clip = options["video"]
    if clip is not None and not Path(clip).is_file():
        raise InputError(f"no such clip: {clip}; check the path")
    check_model_path(options)
    check_detector_options(options)
    read = [(clip, "the clip itself")] if clip else []
    targets = {"--json": options["json_target"], "--plot": options["plot"]}
    check_targets(targets, [*read, *model_files(options)])
    if options["plot"]:
        from facecli.measure.stages import check_chart_suffix

        check_chart_suffix(options["plot"])


def _measured(options: dict[str, Any]) -> dict[str, Any]:
    """Title -> conditions, timings and scenes."""
    from facecli.cli.run_setup import build_analyzer
    from facecli.measure.stages import measure_predict, measure_startup, measurement_conditions

    analyzer: Any = build_analyzer(_run_options(options))
    checkpoint = analyzer.predictor.checkpoint
    settings = {key: options[key] for key in ("threads", "repeats", "video")}
    settings["detector"] = analyzer.detector.name
    settings["model"] = checkpoint.config["name"]
    with _progress() as say:
        say("start-up")
        startup = measure_startup(checkpoint.folder, max(_FEWEST_STARTS, options["repeats"] // 10))
        say("predict")
        predict = measure_predict(analyzer, options["repeats"])
        scenes = list(_scenes(options, analyzer, say))
    return {
        "conditions": {**measurement_conditions(), **settings},
        "startup": startup,
        "predict": predict,
        "scenes": scenes,
    }


def _run_options(options: dict[str, Any]) -> dict[str, Any]:
    """The options of `facecli run` at their defaults, those of this command in their place."""
    from facecli.cli.run import run

    return {**run.make_context("run", []).params, **options}


def _scenes(options: dict[str, Any], analyzer: "Analyzer", say: Callable[[str], None]) -> Iterator[Any]:
    from facecli.live.analyzer import LiveAnalyzer
    from facecli.measure.stages import RESOLUTIONS, measure_clip, write_scene

    def build_analyze() -> Callable[..., Any]:
        return LiveAnalyzer(analyzer).analyze

    repeats = options["repeats"]
    if options["video"]:
        say(options["video"])
        clip = Path(options["video"])
        yield measure_clip(clip.name, clip, analyzer, build_analyze, repeats)
        return
    with _folder() as folder:
        for name, resolution_wh in RESOLUTIONS.items():
            say(name)
            clip = folder / f"{name}.mp4"
            write_scene(clip, resolution_wh, _SCENE_FACES, repeats + 1)
            yield measure_clip(name, clip, analyzer, build_analyze, repeats)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="facecli-") as folder:
        yield Path(folder)


@contextlib.contextmanager
def _progress() -> Iterator[Any]:
    """A function that tells on stderr what is measured, on a terminal."""
    if not bars_wanted():
        yield lambda step: None
        return
    with stderr_console().status("measuring") as status:
        yield lambda step: status.update(f"measuring {step}")


def _write_json(target: str, results: dict[str, Any]) -> None:
    document = {
        "conditions": results["conditions"],
        "startup_ms": {name: timing.to_json() for name, timing in results["startup"].items()},
        "predict_ms": {str(count): timing.to_json() for count, timing in results["predict"].items()},
        "scenes": [scene.to_json() for scene in results["scenes"]],
    }
    write_text(target, json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def _plot(path: Path, results: dict[str, Any]) -> None:
    from facecli.measure.stages import save_chart

    found = results["conditions"]
    title = f"{found['cpu']}, {found['cores']} cores; {found['model']}, {found['detector']}"
    save_chart(path, results["scenes"], title)
    say(f"wrote {path}")


def _print(results: dict[str, Any]) -> None:

    print_results(results)
