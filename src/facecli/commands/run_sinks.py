"""Where `facecli run --video` writes to."""

from pathlib import Path

from facecli.console import bars_wanted, stderr_console
from facecli.errors import InputError

_TEXTS = {"json_target": "--json", "csv_target": "--csv", "summary": "--summary"}


def check_targets(options: dict) -> None:
    """Raises InputError when two results would go to one place, or into the clip itself."""
    targets = {flag: options[name] for name, flag in _TEXTS.items() if options[name]}
    if options["output"]:
        targets["--output"] = options["output"]
    taken: dict[object, str] = {}
    for flag, target in targets.items():
        place = target if target == "-" else Path(target).resolve()
        if place in taken:
            raise InputError(f"{taken[place]} and {flag} both write to {target}; name two files")
        if place == Path(options["video"]).resolve():
            raise InputError(f"{target} is the clip itself; name another file for {flag}")
        taken[place] = flag


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
