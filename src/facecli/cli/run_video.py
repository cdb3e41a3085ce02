"""`facecli run --video`: a camera, a clip, numbered pictures or a stream."""

import contextlib
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import click

from facecli.cli.output import note_terms, say
from facecli.cli.overwriting import check_targets, model_files
from facecli.cli.run_setup import build_analyzer, check_display, closing_all, closing_on_sigterm, protection
from facecli.core.console import bars_wanted, stderr_console

_TEXTS = {"json_target": "--json", "csv_target": "--csv", "summary": "--summary"}


def show_cameras() -> None:
    """Prints a table of the cameras that give a picture; none is a result, too."""
    from facecli.core.process import quiet_stderr
    from facecli.sinks.table import plain_table
    from facecli.sources.cameras import camera_table, list_cameras

    with quiet_stderr():
        cameras = list_cameras()
    if not cameras:
        click.echo("no camera found")
        return
    for line in plain_table(camera_table(cameras)):
        click.echo(line)


def check_results(options: dict) -> None:
    """Raises InputError when two results would go to one place, or into what is read."""
    targets = {flag: options[name] for name, flag in _TEXTS.items()}
    check_targets({**targets, "--output": options["output"]}, _read(options))


def _read(options: dict) -> Iterator[tuple[Path | str, str]]:
    """Every file that the run reads, and what to call it."""
    from facecli.sources.video_specs import is_address, is_camera, is_sequence, sequence_pictures

    spec = options["video"]
    if is_sequence(spec):
        yield from ((path, "among the pictures that are read") for path in sequence_pictures(spec))
    elif is_address(spec):
        # FFmpeg takes what follows "file://" as it is.
        yield re.sub(r"\Afile://", "", spec, flags=re.IGNORECASE), "the clip itself"
    elif not is_camera(spec):
        yield spec, "the clip itself"
    yield from model_files(options)


def build_sinks(options: dict, source) -> list:
    """What the options ask for, not yet entered."""
    from facecli.sinks.rows import CsvSink, JsonSink
    from facecli.sinks.summary import SummarySink
    from facecli.sinks.video import VideoFileSink

    sinks: list = []
    if options["json_target"]:
        sinks.append(JsonSink(options["json_target"]))
    if options["csv_target"]:
        sinks.append(CsvSink(options["csv_target"], faces_only=True))
    if options["summary"]:
        sinks.append(SummarySink(options["summary"]))
    if options["output"]:
        sinks.append(VideoFileSink(Path(options["output"]), source.fps))
    if options["no_show"] and bars_wanted():
        sinks.append(ProgressSink(source.promised))
    return sinks


class ProgressSink:
    """A bar on stderr that counts frames; without a known end it only runs."""

    wants_image = False

    def __init__(self, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

        columns = "frames", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self._bar = Progress(*columns, console=stderr_console(), transient=True)
        self._task = self._bar.add_task("frames", total=total or None)

    def __enter__(self) -> "ProgressSink":
        self._bar.start()
        return self

    def __exit__(self, *_) -> None:
        self._bar.stop()

    def write(self, record) -> None:
        self._bar.advance(self._task)


def run_video(options: dict) -> None:
    """Analyses frames until the end, q, Esc, the window's close button or Ctrl-C.

    Raises FacecliError, after every file was closed.
    """
    from facecli.draw.annotate import annotate
    from facecli.draw.layout import LabelHabits
    from facecli.live.analyzer import build_live_analyzer
    from facecli.pipeline.stream import run_live

    _check(options)
    analyzer = _build_analyzer(options)
    with closing_on_sigterm(), _open(options) as source, contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(sink) for sink in build_sinks(options, source)]
        view = None if options["no_show"] else stack.enter_context(_build_view(options, source, stack))
        summary = run_live(
            source,
            build_live_analyzer(analyzer).analyze,
            sinks,
            view,
            draw=functools.partial(
                annotate, uncertain_below=options["uncertain_below"], habits=LabelHabits()
            ),
            protect=protection(options),
            show_rejected=options["show_rejected"],
            model=analyzer.model,
        )
    say(f"{source.name}: {_counted(summary, source.broken)}")


def _check(options: dict) -> None:
    """Refuses what cannot work, before anything is loaded. Raises InputError."""
    from facecli.sinks.video import check_suffix
    from facecli.sources.video_specs import check_capture_options, check_spec, is_clip

    check_spec(options["video"])
    check_capture_options(options["video"], _capture_options(options), options["reconnect"])
    check_results(options)
    if options["output"]:
        check_suffix(Path(options["output"]))
    if not options["no_show"]:
        check_display("the video")
    if options["output"] and is_clip(options["video"]):
        say(f"{options['output']} has no sound: audio is left out")


def _open(options: dict):
    """The source that the options describe. Raises SourceError."""
    from facecli.sources.video import ReconnectingSource, open_source

    reopen = functools.partial(open_source, options["video"], _capture_options(options), say)
    return ReconnectingSource(reopen, say) if options["reconnect"] else reopen()


def _capture_options(options: dict):
    from facecli.sources.video_specs import CaptureOptions

    return CaptureOptions(options["width"], options["height"], options["fps"])


def _build_analyzer(options: dict):
    """The detector and the model; says on what terms they come."""
    analyzer = build_analyzer(options)
    note_terms(options["detector"], (known.config for known in analyzer.checkpoints.values()))
    return analyzer


def _build_view(options: dict, source, files: contextlib.ExitStack):
    """The window; a camera's picture is mirrored unless that was declined."""
    from facecli.sources.video_specs import is_camera
    from facecli.window.controls import Controls
    from facecli.window.screen import Screen
    from facecli.window.view import LiveView

    mirror = is_camera(options["video"]) if options["mirror"] is None else options["mirror"]
    return LiveView(
        Screen(f"facecli - {source.name}", closing_all(files)),
        source=source.given,
        fps=source.fps,
        controls=Controls(mirror=mirror, protected=options["anonymize"]),
        uncertain_below=options["uncertain_below"],
    )


def _counted(summary, broken: int) -> str:
    from facecli.sinks.base import count

    frames = count(summary.frames, "frame")
    if summary.analyzed != summary.frames:
        frames += f" ({summary.analyzed} analysed)"
    left_out = f", {count(broken, 'broken frame')} left out" if broken else ""
    return f"{frames}, {count(summary.faces, 'face')}{left_out}"
