"""`facecli run --img`: a picture or a folder of them."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from facecli.commands.run_setup import build_analyzer, check_display, closing_all, protection
from facecli.errors import FacecliError, ImageError, InputError


def run_pictures(options: dict) -> None:
    """Analyses the pictures and writes table, JSON lines and annotated pictures.

    Raises FacecliError at the end when a picture could not be analysed.
    """
    from facecli.images import save_image
    from facecli.stream.pictures import annotated_path, iter_pictures, list_pictures

    root = Path(options["img"])
    output = _output(options["output"], root)
    window = not (root.is_dir() or output or options["json_target"] or options["no_show"])
    if window:
        check_display("the picture")
    pictures = list_pictures(root, output)
    analyzer = build_analyzer(options)
    table_wanted = options["json_target"] != "-"
    uncertain_below = options["uncertain_below"]
    with _json_sink(options["json_target"]) as write_row, _table(table_wanted, uncertain_below) as results:
        failures = 0
        found = iter_pictures(
            _with_progress(pictures), analyzer, protection(options), options["show_rejected"]
        )
        for picture in found:
            write_row(picture.result)
            failures += picture.result.error is not None
            if picture.result.error is not None and not root.is_dir():
                raise ImageError(picture.result.error)
            results.append(picture.result)
            if output is not None and picture.image_rgb is not None:
                target = annotated_path(picture.path, root, output) if root.is_dir() else output
                save_image(target, _drawn(picture, options))
    if window:
        _show(picture, options)
    if failures:
        raise FacecliError(f"{failures} of {len(pictures)} pictures could not be analysed")


def _output(given: str | None, root: Path) -> Path | None:
    """File (for a picture) or folder (for a folder) of the result. Raises InputError."""
    if given is None:
        return None
    from facecli.stream.pictures import annotated_path, is_writable_format

    output = Path(given)
    if root.is_dir():
        if output.exists() and not output.is_dir():
            raise InputError(f"{output} is a file; --img is a folder, so --output must be one too")
        if output.resolve() == root.resolve():
            raise InputError(f"{output} is the folder of the pictures; name another one for --output")
        return output
    if output.is_dir() or given.endswith((os.sep, "/")):
        output = annotated_path(root, root.parent, output)
    if not is_writable_format(output):
        raise InputError(f"{output} has no picture suffix that can be written; use .jpg or .png")
    if output.resolve() == root.resolve():
        raise InputError(f"{output} is the picture itself; name another file for --output")
    return output


def _drawn(picture, options: dict):
    from facecli.vision.annotate import annotate

    return annotate(picture.image_rgb, picture.result.faces, options["uncertain_below"])


def _show(picture, options: dict) -> None:
    from facecli.stream.window import PictureWindow

    nothing_open = contextlib.ExitStack()
    with PictureWindow(f"facecli - {picture.path.name}", closing_all(nothing_open)) as window:
        window.show_until_closed(_drawn(picture, options))


@contextlib.contextmanager
def _json_sink(target: str | None) -> Iterator:
    """A function that writes a result as a JSON line, or does nothing."""
    if target is None:
        yield lambda result: None
        return
    from facecli.stream.sinks import JsonLinesSink

    with JsonLinesSink(target) as sink:
        yield sink.write


@contextlib.contextmanager
def _table(wanted: bool, uncertain_below: float) -> Iterator[list]:
    """A list of results that is printed at the end, also of a run that was interrupted."""
    results: list = []
    try:
        yield results
    finally:
        if wanted and results:
            _print_table(results, uncertain_below)


def _print_table(results: list, uncertain_below: float) -> None:
    from facecli.stream.table import face_table, plain_table

    header, *rows = face_table(results, uncertain_below)
    if not sys.stdout.isatty():
        for line in plain_table([header, *rows]):
            click.echo(line)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=box.SIMPLE)
    for row in rows:
        # Text: names with [brackets] are not markup.
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _with_progress(pictures: list[Path]) -> Iterable[Path]:
    """The pictures, with a bar on stderr for more than one on a terminal."""
    if len(pictures) < 2 or not sys.stderr.isatty():
        return pictures
    from rich.console import Console
    from rich.progress import track

    return track(pictures, "pictures", console=Console(stderr=True), transient=True)
