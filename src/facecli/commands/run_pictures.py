"""`facecli run --img`: pictures become records, and records flow to sinks."""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from facecli.commands.run_outputs import build_sinks, drawing, resolve_output
from facecli.commands.run_setup import build_analyzer, check_display, closing_all, protection
from facecli.errors import FacecliError, ImageError


def run_pictures(options: dict) -> None:
    """Analyses the pictures and writes what was asked for.

    Raises FacecliError at the end when a picture could not be analysed.
    """
    from facecli.pictures.batch import iter_records
    from facecli.pictures.listing import list_pictures
    from facecli.pictures.record import feed

    root = Path(options["img"])
    is_folder = root.is_dir()
    output = resolve_output(options["output"], root)
    window = not (is_folder or output or options["json_target"] or options["no_show"])
    if window:
        check_display("the picture")
    pictures = list_pictures(root, output)
    analyzer = build_analyzer(options)
    records = _Counted(
        iter_records(
            _with_progress(pictures),
            root if is_folder else root.parent,
            analyzer,
            protection(options),
            options["show_rejected"],
        ),
        stop_at_error=not is_folder,
    )
    with contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(sink) for sink in build_sinks(options, output, is_folder)]
        feed(records, sinks)
    if window:
        _show(records.last, options)
    if records.failures:
        raise FacecliError(f"{records.failures} of {len(pictures)} pictures could not be analysed")


class _Counted:
    """Passes records on, counts failures, remembers the last."""

    def __init__(self, records: Iterable, stop_at_error: bool) -> None:
        self._records, self._stop_at_error = records, stop_at_error
        self.failures, self.last = 0, None

    def __iter__(self) -> Iterator:
        for record in self._records:
            error = record.result.error
            self.failures += error is not None
            self.last = record
            yield record
            if error is not None and self._stop_at_error:
                raise ImageError(error)


def _show(record, options: dict) -> None:
    from facecli.stream.window import PictureWindow

    nothing_open = contextlib.ExitStack()
    title = f"facecli - {Path(record.source).name}"
    with PictureWindow(title, closing_all(nothing_open)) as window:
        window.show_until_closed(drawing(options)(record.image_rgb, record.result.faces))


def _with_progress(pictures: list[Path]) -> Iterable[Path]:
    """The pictures, with a bar on stderr for more than one on a terminal."""
    if len(pictures) < 2 or not sys.stderr.isatty():
        return pictures
    from rich.console import Console
    from rich.progress import track

    return track(pictures, "pictures", console=Console(stderr=True), transient=True)
