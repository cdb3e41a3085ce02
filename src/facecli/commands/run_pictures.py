"""`facecli run --img`: pictures become records, and records flow to sinks."""

import contextlib
import copy
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from facecli.commands.messages import say
from facecli.commands.overwriting import STDIN, check_targets, model_files
from facecli.commands.picture_options import WRITTEN
from facecli.commands.run_failures import Failures
from facecli.commands.run_outputs import build_sinks, check_folders, drawing, resolve_output
from facecli.commands.run_progress import PictureBar
from facecli.commands.run_setup import (
    build_analyzer,
    build_face_detector,
    check_display,
    closing_all,
    closing_on_sigterm,
    protection,
)
from facecli.commands.terms_notice import note_terms
from facecli.errors import ImageError

_FILES = {"json_target": "--json", "csv_target": "--csv", "parquet": "--parquet", "report": "--report"}
_MOST_WORKERS = 8
_BATCH_SIZE = 16


def run_pictures(options: dict) -> None:
    """Analyses the pictures and writes what was asked for.

    Raises FacecliError at the end when a picture could not be analysed.
    """
    inputs, output = _find(options)
    window = inputs.is_single and not any(options.get(name) for name in (*WRITTEN, "no_show"))
    if window:
        check_display("the picture")
    analyzer = build_analyzer(options)
    note_terms(options["detector"], (known.config for known in analyzer.checkpoints.values()))
    bar = PictureBar(inputs.total)
    run = _Run(inputs.is_single, bar)
    sinks = build_sinks(options, output, not inputs.is_single, analyzer, bar)
    try:
        with closing_on_sigterm(), contextlib.ExitStack() as stack:
            for sink in sinks:
                stack.enter_context(sink)
            batch = _build_batch(options, inputs, analyzer, sinks, window)
            with bar:
                run.go(inputs, batch, sinks)
    finally:
        run.report()
    if window:
        _show(run.last, options)
    run.failures.raise_if_any(run.count)


def _find(options: dict) -> tuple:
    """The inputs, and where annotated pictures go. Raises InputError."""
    from facecli.pictures.sources import Rules, find_inputs

    folders = [Path(options[name]) for name in ("output", "crops") if options[name]]
    inputs = find_inputs(options["img"], Rules(options["allow_private"], tuple(folders)))
    check_folders(options, inputs)
    output = resolve_output(options["output"], inputs)
    files = {flag: options[name] for name, flag in _FILES.items()}
    check_targets({**files, "--output": output, "--crops": options["crops"]}, _read(options, inputs))
    return inputs, output


def _read(options: dict, inputs) -> Iterator[tuple[Path | str, str]]:
    """Every file that the run reads, and what to call it."""
    called = "the picture itself" if inputs.is_single else "among what is read"
    yield from ((path, called) for path in inputs.files())
    for given in options["img"]:
        if given.startswith("@"):
            yield STDIN if given == "@-" else given[1:], "the list"
    yield from model_files(options)


def _build_batch(options: dict, inputs, analyzer, sinks: list, window: bool):
    from facecli.pictures.batch import Batch, Effort

    # Who waits for servers can wait for several.
    wanted = _MOST_WORKERS if inputs.has_remote else min(_cores(), _MOST_WORKERS)
    workers = 1 if inputs.is_single else options["workers"] or wanted
    if workers > 1 and not options["threads"]:
        import cv2

        # Each worker searches a picture of its own.
        cv2.setNumThreads(1)

    def looker():
        own = copy.copy(analyzer)
        own.detector = build_face_detector(options)
        return own

    return Batch(
        looker if workers > 1 else lambda: analyzer,
        analyzer,
        Effort(workers, options["batch_size"] or _BATCH_SIZE),
        wants_image=window or any(sink.wants_image for sink in sinks),
        protect=protection(options),
        show_rejected=options["show_rejected"],
    )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Run:
    """One way through the pictures: counts them, remembers failures and the last record."""

    def __init__(self, is_single: bool, bar: PictureBar) -> None:
        self._is_single, self._bar = is_single, bar
        self.failures, self.last = Failures(), None
        self.count = self._skipped = 0

    def go(self, inputs: Iterable, batch, sinks: list) -> None:
        """Raises ImageError when the only picture fails, and what sinks raise."""
        from facecli.pictures.record import feed
        from facecli.pictures.rows import RowSink, remaining

        row_sinks = [sink for sink in sinks if isinstance(sink, RowSink)]
        items = remaining(inputs, row_sinks, self._skip)
        feed(self._counted(batch.records(items)), sinks)

    def report(self) -> None:
        """Says on standard error what was not done."""
        if self._skipped:
            say(f"{self._skipped} of {self.count} pictures had their rows already")
        if not self._is_single:
            self.failures.show()

    def _counted(self, records: Iterable) -> Iterator:
        for record in records:
            error = record.result.error
            self.count += 1
            self.last = record
            if error is not None:
                self.failures.add(record.source, error)
            yield record
            self._bar.advance()
            if error is not None and self._is_single:
                raise ImageError(error)

    def _skip(self, item, error: str | None) -> None:
        self.count += 1
        self._skipped += 1
        self._bar.advance()
        if error is not None:
            self.failures.add(item.source, error)


def _show(record, options: dict) -> None:
    from facecli.stream.window import PictureWindow

    nothing_open = contextlib.ExitStack()
    title = f"facecli - {Path(record.source).name}"
    with PictureWindow(title, closing_all(nothing_open)) as window:
        window.show_until_closed(drawing(options)(record.image_rgb, record.result.faces))
