"""Where `facecli run --img` writes to: one sink for each thing that was asked for."""

import functools
import os
from pathlib import Path

from facecli.commands.agreement_table import AgreementSink
from facecli.commands.run_table import TableSink
from facecli.errors import InputError


def build_sinks(options: dict, output: Path | None, is_folder: bool) -> list:
    """What the options ask for, not yet entered; files before rows, so that a row promises its files."""
    from facecli.pictures.annotated import AnnotatedSink
    from facecli.pictures.rows import JsonSink

    sinks: list = []
    if output is not None:
        sinks.append(AnnotatedSink(output, drawing(options), is_folder))
    if options["json_target"]:
        sinks.append(JsonSink(options["json_target"]))
    if options["json_target"] != "-":
        if options["compare"]:
            # Printed below the table: sinks are closed from the last to the first.
            sinks.append(AgreementSink())
        sinks.append(TableSink(options["uncertain_below"], options["details"]))
    return sinks


def drawing(options: dict):
    """What draws faces into a picture."""
    from facecli.vision.annotate import annotate
    from facecli.vision.panel_sheet import draw_details

    if options["details"] or options["compare"]:
        return functools.partial(draw_details, uncertain_below=options["uncertain_below"])
    return functools.partial(annotate, uncertain_below=options["uncertain_below"])


def resolve_output(given: str | None, root: Path) -> Path | None:
    """File (for a picture) or folder (for a folder) of the annotated result. Raises InputError."""
    if given is None:
        return None
    from facecli.pictures.listing import annotated_path, is_writable_format

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
