"""`facecli run --video`: a camera, a clip or a stream."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from facecli.commands.run_setup import build_analyzer, check_display

_EXIT_TERMINATED = 128 + 15


def run_video(options: dict) -> None:
    """Analyses frames until the end, q, Esc, the window's close button or Ctrl-C.

    Raises FacecliError, after every file was closed.
    """
    from facecli.stream.loop import run_stream
    from facecli.stream.sinks import count
    from facecli.stream.sources import check_spec, open_source
    from facecli.stream.video_file import check_suffix

    check_spec(options["video"])
    if options["output"]:
        check_suffix(Path(options["output"]))
    if not options["no_show"]:
        check_display("the video")
    analyzer = build_analyzer(options)
    with _closing_on_sigterm(), open_source(options["video"]) as source, contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(sink) for sink in _sinks(options, source)]
        summary = run_stream(source, analyzer, sinks)
    counted = f"{count(summary.frames, 'frame')}, {count(summary.faces, 'face')}"
    click.echo(f"{source.name}: {counted}", err=True)


def _sinks(options: dict, source) -> list:
    """What the options ask for; the window last, so that what it shows was written."""
    from facecli.stream.sinks import JsonLinesSink
    from facecli.stream.video_file import VideoFileSink
    from facecli.stream.window import WindowSink

    sinks: list = []
    if options["json_target"]:
        sinks.append(JsonLinesSink(options["json_target"]))
    if options["output"]:
        sinks.append(VideoFileSink(Path(options["output"]), source.fps))
    if options["no_show"] and sys.stderr.isatty():
        sinks.append(ProgressSink(source.promised))
    if not options["no_show"]:
        sinks.append(WindowSink(f"facecli - {source.name}"))
    return sinks


class ProgressSink:
    """A bar on stderr that counts frames; without a known end it only runs."""

    wants_drawing = False

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

        columns = "frames", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("frames", total=total or None)

    def __enter__(self) -> "ProgressSink":
        self._bar.start()
        return self

    def __exit__(self, *_) -> None:
        self._bar.stop()

    def write(self, result, drawn_rgb=None) -> None:
        self._bar.advance(self._task)


@contextlib.contextmanager
def _closing_on_sigterm() -> Iterator[None]:
    """A polite kill unwinds like Ctrl-C, so that files are closed."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(_EXIT_TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
