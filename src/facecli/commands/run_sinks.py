"""Where `facecli run --video` writes to."""

import re
from collections.abc import Iterator
from pathlib import Path

from facecli.commands.overwriting import check_targets, model_files
from facecli.console import bars_wanted, stderr_console

_TEXTS = {"json_target": "--json", "csv_target": "--csv", "summary": "--summary"}


def check_results(options: dict) -> None:
    """Raises InputError when two results would go to one place, or into what is read."""
    targets = {flag: options[name] for name, flag in _TEXTS.items()}
    check_targets({**targets, "--output": options["output"]}, _read(options))


def _read(options: dict) -> Iterator[tuple[Path | str, str]]:
    """Every file that the run reads, and what to call it."""
    from facecli.stream.sequence import sequence_pictures
    from facecli.stream.specs import is_address, is_camera, is_sequence

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
    from facecli.stream.csv_sink import CsvSink
    from facecli.stream.sinks import JsonLinesSink
    from facecli.stream.summary_sink import SummarySink
    from facecli.stream.video_file import VideoFileSink

    kinds = {"json_target": JsonLinesSink, "csv_target": CsvSink, "summary": SummarySink}
    sinks: list = [kind(options[name]) for name, kind in kinds.items() if options[name]]
    if options["output"]:
        sinks.append(VideoFileSink(Path(options["output"]), source.fps))
    if options["no_show"] and bars_wanted():
        sinks.append(ProgressSink(source.promised))
    return sinks


class ProgressSink:
    """A bar on stderr that counts frames; without a known end it only runs."""

    wants_drawing = False

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

    def write(self, result, drawn_rgb=None) -> None:
        self._bar.advance(self._task)
