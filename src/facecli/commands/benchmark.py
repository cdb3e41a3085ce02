"""`facecli benchmark`: what this machine does."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from facecli.commands.messages import say
from facecli.commands.model_options import check_model_path, model_path_option, model_type_option
from facecli.commands.overwriting import check_targets, model_files
from facecli.console import bars_wanted, stderr_console
from facecli.errors import InputError

_SCENE_FACES = 4
_FEWEST_STARTS = 3


@click.command()
@click.option("--video", metavar="CLIP", help="Measure this clip instead of the drawn scene.")
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="Frames of each clip and repetitions of each step; commands are started a tenth as often.",
)
@click.option("--json", "json_target", metavar="FILE", help="All numbers; - is standard output, no table.")
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Stacked bars, .png or .svg (matplotlib)."
)
@model_type_option()
@model_path_option()
@click.option("--detector", type=click.Choice(["haar", "yunet", "none"]), default="haar", show_default=True)
@click.option("--detector-weights", metavar="FILE", help="ONNX file for --detector yunet.")
@click.option(
    "--threads", type=click.IntRange(1), help="Threads of detector and network.  [default: cores, at most 4]"
)
def benchmark(**options) -> None:
    """Measure start-up, every step of a frame, and all of it together.

    The scene is drawn by code, four faces at 480p, 720p and 1080p, so that machines can be compared.
    Close other programs first.

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


def _check(options: dict) -> None:
    """What can be refused before minutes are spent."""
    clip = options["video"]
    if clip is not None and not Path(clip).is_file():
        raise InputError(f"no such clip: {clip}; check the path")
    check_model_path(options)
    if options["detector_weights"] and options["detector"] != "yunet":
        raise InputError("--detector-weights needs --detector yunet")
    read = [(clip, "the clip itself")] if clip else []
    targets = {"--json": options["json_target"], "--plot": options["plot"]}
    check_targets(targets, [*read, *model_files(options)])
    if options["plot"]:
        from facecli.measure.chart import check_suffix

        check_suffix(options["plot"])


def _measured(options: dict) -> dict[str, Any]:
    """Title -> conditions, timings and scenes."""
    from facecli.commands.run_setup import build_analyzer
    from facecli.measure.conditions import conditions
    from facecli.measure.stages import measure_predict
    from facecli.measure.startup import measure_startup

    analyzer = build_analyzer(_run_options(options))
    checkpoint = analyzer.predictor.checkpoint
    settings = {key: options[key] for key in ("detector", "threads", "repeats", "video")}
    settings["model"] = checkpoint.config["name"]
    with _progress() as say:
        say("start-up")
        startup = measure_startup(checkpoint.folder, max(_FEWEST_STARTS, options["repeats"] // 10))
        say("predict")
        predict = measure_predict(analyzer, options["repeats"])
        scenes = list(_scenes(options, analyzer, say))
    return {
        "conditions": {**conditions(), **settings},
        "startup": startup,
        "predict": predict,
        "scenes": scenes,
    }


def _run_options(options: dict) -> dict:
    """The options of `facecli run` at their defaults, those of this command in their place."""
    from facecli.commands.run import run

    return {**run.make_context("run", []).params, **options}


def _scenes(options: dict, analyzer, say) -> Iterator:
    from facecli.measure.scene import RESOLUTIONS
    from facecli.measure.stages import measure_clip, write_scene
    from facecli.vision.live import build_live_analyzer

    def build_analyze():
        return build_live_analyzer(analyzer).analyze

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
def _progress() -> Iterator:
    """A function that tells on stderr what is measured, on a terminal."""
    if not bars_wanted():
        yield lambda step: None
        return
    with stderr_console().status("measuring") as status:
        yield lambda step: status.update(f"measuring {step}")


def _write_json(target: str, results: dict[str, Any]) -> None:
    from facecli.stream.text_file import TextFile

    document = {
        "conditions": results["conditions"],
        "startup_ms": {name: timing.to_json() for name, timing in results["startup"].items()},
        "predict_ms": {str(count): timing.to_json() for count, timing in results["predict"].items()},
        "scenes": [scene.to_json() for scene in results["scenes"]],
    }
    with TextFile(target) as file:
        file.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def _plot(path: Path, results: dict[str, Any]) -> None:
    from facecli.measure.chart import save_chart

    found = results["conditions"]
    title = f"{found['cpu']}, {found['cores']} cores; {found['model']}, {found['detector']}"
    save_chart(path, results["scenes"], title)
    say(f"wrote {path}")


def _print(results: dict[str, Any]) -> None:
    from facecli.commands.benchmark_table import print_results

    print_results(results)
