"""Where `facecli run --img` writes to: one sink for each thing that was asked for."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path

from facecli.commands.agreement_table import AgreementSink
from facecli.commands.overwriting import lies_in
from facecli.commands.run_details import build_report
from facecli.commands.run_table import TableSink
from facecli.errors import InputError
from facecli.faces import FACE_HEADS


def build_sinks(options: dict, output: Path | None, is_folder: bool, analyzer, bar) -> list:
    """What the options ask for, not yet entered; files before rows, so that a row promises its files.

    Args:
        options: of `run`.
        output: where annotated pictures go, see `resolve_output`.
        is_folder: whether that is a folder.
        analyzer: says which models are compared.
        bar: makes room for what is printed.
    """
    from facecli.pictures.annotated import AnnotatedSink
    from facecli.pictures.crop_files import CropsSink
    from facecli.pictures.parquet import ParquetSink
    from facecli.pictures.rows import CsvSink, JsonSink

    sinks: list = []
    more = further_columns(options, getattr(analyzer, "names", ()))
    if output is not None:
        sinks.append(AnnotatedSink(output, drawing(options), is_folder))
    if options["crops"]:
        sinks.append(CropsSink(Path(options["crops"])))
    if options["report"]:
        sinks.append(build_report(options, analyzer))
    if options["parquet"]:
        sinks.append(ParquetSink(Path(options["parquet"]), more))
    if options["csv_target"]:
        sinks.append(CsvSink(options["csv_target"], options["resume"], more))
    if options["json_target"]:
        sinks.append(JsonSink(options["json_target"], options["resume"]))
    if "-" not in (options["json_target"], options["csv_target"]):
        if options["compare"]:
            # Printed below the table: sinks are closed from the last to the first.
            sinks.append(AgreementSink())
        sinks.append(TableSink(options["uncertain_below"], options["details"], bar))
    return sinks


def further_columns(options: dict, models: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Columns of tables beyond the usual ones: name -> keys that lead there in a face's JSON row."""
    names = ["age_band", "age_band_probability"] if options["age_groups"] else []
    columns: dict[str, tuple[str, ...]] = {name: (name,) for name in names}
    for model in models:
        for name in ("age_years", *names, *FACE_HEADS):
            columns[f"{model}: {name}"] = ("models", model, name)
    return columns


def drawing(options: dict):
    """What draws faces into a picture."""
    from facecli.vision.annotate import annotate
    from facecli.vision.panel_sheet import draw_details

    if options["details"] or options["compare"]:
        return functools.partial(draw_details, uncertain_below=options["uncertain_below"])
    return functools.partial(annotate, uncertain_below=options["uncertain_below"])


def resolve_output(given: str | None, inputs) -> Path | None:
    """File (for one picture) or folder (for more) of the annotated result. Raises InputError."""
    if given is None:
        return None
    output = Path(given)
    if not inputs.is_single:
        if output.exists() and not output.is_dir():
            raise InputError(
                f"{output} is a file; there may be several pictures, so --output must be a folder"
            )
        return output
    if output.is_dir() or given.endswith((os.sep, "/")):
        output /= next(iter(inputs)).target_name
    if not _is_writable(output):
        raise InputError(f"{output} has no picture suffix that can be written; use .jpg or .png")
    return output


def check_folders(options: dict, inputs) -> None:
    """Raises InputError when pictures lie where results of several would be written."""
    for option in ("output", "crops"):
        if inputs.is_single or not options[option]:
            continue
        outside = set()
        for path in inputs.in_place:
            # Of thousands of pictures few folders are looked at.
            real = Path(os.path.realpath(path))
            folder = real if real.is_dir() else real.parent
            if folder not in outside and lies_in(folder, options[option]):
                raise InputError(
                    f"{path} lies in {options[option]}, where --{option} would write; name another folder"
                )
            outside.add(folder)


def _is_writable(path: Path) -> bool:
    import cv2

    suffix = path.suffix.lower()
    return bool(suffix) and suffix != ".gif" and cv2.haveImageWriter(f"x{suffix}")
