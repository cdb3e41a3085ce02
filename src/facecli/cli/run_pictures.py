"""`facecli run --img`: pictures become records, and records flow to sinks."""

import contextlib
import copy
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from facecli.cli.options import STDIN, check_existing, check_stored, check_targets, lies_in, model_files
from facecli.cli.output import note_terms, say, say_written
from facecli.cli.run_report import AgreementSink, Failures, PictureBar, TableSink
from facecli.cli.run_setup import (
    WRITTEN,
    build_analyzer,
    build_face_detector,
    build_other_sinks,
    build_report,
    closing_all,
    closing_on_sigterm,
    further_heads,
    protection,
    sink_files,
)
from facecli.core.console import redacted
from facecli.core.errors import EncodingError, ImageError, InputError, OutputError
from facecli.core.faces import FACE_HEADS
from facecli.core.files import walk_folders
from facecli.core.paths import is_storage_address, remove_leftovers

if TYPE_CHECKING:
    import pyarrow

    from facecli.core.arrays import Array
    from facecli.core.faces import Face
    from facecli.infer.analyzer import Analyzer, ComparingAnalyzer
    from facecli.pipeline.batch import Batch, RowsExecutor
    from facecli.sinks.base import Record
    from facecli.sinks.parts import PartsSink
    from facecli.sources.files import Item
    from facecli.sources.inputs import Inputs, Source


_FILES = {"json_target": "--json", "csv_target": "--csv", "parquet": "--parquet", "report": "--report"}
_OF_EACH = ("output", "crops", "report", "sink")
"""What has something of each picture's name."""
_MOST_WORKERS = 8
_BATCH_SIZE = 16


def build_sinks(
    options: dict[str, Any],
    output: str | Path | None,
    is_folder: bool,
    analyzer: "Analyzer | ComparingAnalyzer",
    bar: PictureBar,
) -> list[Any]:
    """What the options ask for, not yet entered; files before rows, so that a row promises its files.

    Args:
        options: of `run`.
        output: where annotated pictures go, see `resolve_output`.
        is_folder: whether that is a folder.
        analyzer: says which models are compared.
        bar: makes room for what is printed.
    """
    from facecli.sinks.pictures import AnnotatedSink, CropsSink
    from facecli.sinks.rows import CsvSink, JsonSink, ParquetSink

    sinks: list[Any] = []
    more = further_columns(options, analyzer.checkpoints)
    if output is not None:
        sinks.append(AnnotatedSink(output, drawing(options), is_folder))
    if options["crops"]:
        sinks.append(CropsSink(Path(options["crops"])))
    if options["report"]:
        sinks.append(build_report(options, analyzer))
    if options["parquet"]:
        sinks.append(ParquetSink(options["parquet"], more, further_heads(analyzer)))
    if options["parts"]:
        sinks.append(build_parts(options))
    if options["csv_target"]:
        sinks.append(CsvSink(options["csv_target"], options["resume"], more, is_raw=options["raw_csv"]))
    if options["json_target"]:
        sinks.append(JsonSink(options["json_target"], options["resume"]))
    sinks += build_other_sinks(options)
    if "-" not in (options["json_target"], options["csv_target"], options["summary"]):
        if options["compare"]:
            # Printed below the table: sinks are closed from the last to the first.
            sinks.append(AgreementSink())
        sinks.append(TableSink(options["details"], bar))
    return sinks


def build_elsewhere(options: dict[str, Any], *_: Any) -> "list[PartsSink]":
    """The same, for rows that come from other processes."""
    return [build_parts(options)]


def build_parts(options: dict[str, Any]) -> "PartsSink":
    """The sink of --parts, not yet entered."""
    from facecli.sinks.parts import PART_SIZE, PartsSink, parse_shard

    shard = parse_shard(options["shard"] or "1/1")
    return PartsSink(options["parts"], shard, options["resume"], options["part_size"] or PART_SIZE)


def further_columns(options: dict[str, Any], models: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Columns of tables beyond the usual ones: name -> keys that lead there in JSON rows.

    `models`: name -> checkpoint of each model that reads; of several the first one's faces are the rows'.
    """
    from facecli.schema import head_columns

    names = ["age_band", "age_band_probability"] if options["age_groups"] else []
    further = {model: checkpoint.further for model, checkpoint in models.items()}
    columns: dict[str, tuple[str, ...]] = dict(head_columns(next(iter(further.values()), ())))
    columns |= {name: (name,) for name in names}
    for model, heads in further.items() if len(further) > 1 else ():
        for name in ("age_years", *names, *FACE_HEADS, *heads):
            columns[f"{model}: {name}"] = ("models", model, name)
    if options["allow_truncated"]:
        columns["truncated"] = ("truncated",)
    return columns


def drawing(options: dict[str, Any]) -> "Callable[[Array, Sequence[Face]], Array]":
    """What draws faces into a picture."""
    from facecli.draw.annotate import annotate
    from facecli.draw.panel import draw_compared, draw_details

    draw = draw_details if options["details"] else draw_compared if options["compare"] else annotate
    return functools.partial(draw, label_size=options["label_size"])


def resolve_output(given: str | None, inputs: "Inputs") -> str | Path | None:
    """File (for one picture) or folder (for more) of the annotated result. Raises InputError.

    An address of storage stays a text.
    """
    if given is None:
        return None
    if is_storage_address(given):
        return _resolve_stored(given, inputs)
    output = Path(given)
    if not inputs.is_single:
        if output.exists() and not output.is_dir():
            raise InputError(
                f"{output} is a file; there may be several pictures, so --output must be a folder"
            )
        check_folder_name("--output", given)
        return output
    if _is_folder(given):
        output /= next(iter(inputs)).target_name
    if not _is_writable(output):
        raise InputError(f"{output} has no picture suffix that can be written; use .jpg or .png")
    return output


def _resolve_stored(given: str, inputs: "Inputs") -> str:
    if not inputs.is_single:
        check_folder_name("--output", given)
        return given
    output = f"{given}{next(iter(inputs)).target_name}" if given.endswith("/") else given
    if not _is_writable(Path(output)):
        raise InputError(f"{redacted(output)} has no picture suffix that can be written; use .jpg or .png")
    return output


def _is_folder(given: str) -> bool:
    return given.endswith((os.sep, "/")) or Path(given).is_dir()


def check_folder_name(flag: str, given: str) -> None:
    """Raises InputError when a folder that is to be made would be called like a picture."""
    if not _is_folder(given) and _is_writable(Path(given)):
        raise InputError(
            f"{given} is a picture's name, and several may be written: name a folder for {flag} "
            f"({given}/ if it is to be called so)"
        )


def check_folders(options: dict[str, Any], inputs: "Inputs") -> None:
    """Raises InputError when pictures lie where results of several would be written."""
    for option in ("output", "crops"):
        if inputs.is_single or not options[option]:
            continue
        outside: set[Path] = set()
        for path in inputs.in_place:
            # Of thousands of pictures few folders are looked at: that of the picture, and of a link to it.
            real = Path(os.path.realpath(path))
            folders = {real} if real.is_dir() else {real.parent, Path(path).parent}
            if any(lies_in(folder, options[option]) for folder in folders - outside):
                raise InputError(
                    f"{path} lies in {options[option]}, where --{option} would write; name another folder"
                )
            outside |= folders


def check_prefixes(options: dict[str, Any], inputs: "Inputs") -> None:
    """Raises InputError when annotated pictures would go among those of storage that are read."""
    output = options["output"]
    if not (output and is_storage_address(output)):
        return
    place = f"{output.rstrip('/')}/"
    for source in inputs.sources:
        known = [source.address] if hasattr(source, "address") else _addresses(source)
        for address in known:
            below = f"{address.rstrip('/')}/"
            if place.startswith(below) or below.startswith(place):
                raise InputError(
                    f"--output {redacted(output)} lies where {redacted(address)} is read; name another place"
                )


def _addresses(source: "Source") -> Iterator[str]:
    """What a manifest names in storage."""
    from facecli.sources.manifest import ManifestSource

    if isinstance(source, ManifestSource):
        yield from (entry.source for entry in source.entries() if is_storage_address(entry.source))


def _is_writable(path: Path) -> bool:
    import cv2

    suffix = path.suffix.lower()
    return bool(suffix) and suffix != ".gif" and cv2.haveImageWriter(f"x{suffix}")


class Plan(NamedTuple):
    """What there is to do.

    Attributes:
        inputs: see `sources.inputs`.
        output: where annotated pictures go.
        left_out: lines about what is no picture.
    """

    inputs: Any
    output: str | Path | None
    left_out: list[str]


def plan_pictures(options: dict[str, Any]) -> Plan:
    """Refuses what cannot work, before anything is loaded or written. Raises InputError."""
    left_out: list[str] = []
    inputs, output = _find(options, left_out.append)
    return Plan(inputs, output, left_out)


def run_pictures(options: dict[str, Any], plan: Plan | None = None) -> None:
    """Analyses the pictures and writes what was asked for.

    Args:
        options: of `run`; a set "begun" gets the files of rows that videos go on with.
        plan: of these options, when it was made before.

    Raises FacecliError at the end when a picture could not be analysed.
    """
    from facecli.sinks.rows import RowSink

    inputs, output, left_out = plan or plan_pictures(options)
    window = inputs.is_single and not any(options.get(name) for name in (*WRITTEN, "no_show"))
    if window and not _has_display():
        say("there is no display to open a window on; write the picture to a file with --output PATH")
        window = False
    analyzer = build_analyzer(options)
    # What is wrong with the run is said alone, hence not before.
    for line in left_out:
        say(line)
    note_terms(options["detector"], (known.config for known in analyzer.checkpoints.values()))
    bar = PictureBar(inputs.total)
    run = _Run(inputs.is_single, bar)
    elsewhere = _executor_elsewhere(options)
    sinks = (build_elsewhere if elsewhere else build_sinks)(
        options, output, not inputs.is_single, analyzer, bar
    )
    try:
        with closing_on_sigterm(), contextlib.ExitStack() as stack:
            for sink in sinks:
                stack.enter_context(sink)
            executor = elsewhere or _build_batch(options, inputs, analyzer, sinks, window)
            with bar:
                run.go(inputs, executor, sinks)
    finally:
        if "begun" in options:
            rows = (sink for sink in sinks if isinstance(sink, RowSink))
            options["begun"] |= {sink.target for sink in rows if sink.has_begun}
        run.report()
    _say_written(options, sinks)
    if window:
        _show(run.last, options)
    run.failures.raise_if_any(run.count)


def _say_written(options: dict[str, Any], sinks: list[Any]) -> None:
    made = [sink.made() for sink in sinks if hasattr(sink, "made")]
    # Rows that videos go on with are told of at the end.
    rows = [] if "begun" in options else [options["json_target"], options["csv_target"]]
    say_written(*rows, options["parquet"], options["report"], more=filter(None, made))


def _find(options: dict[str, Any], notify: Callable[[str], None]) -> tuple[Any, ...]:
    """The inputs, and where annotated pictures go. `notify` is told what is left out. Raises InputError."""
    from facecli.core.images import DECODING, OWN_MEMORY
    from facecli.sources.inputs import Rules, find_inputs
    from facecli.sources.video_specs import VIDEO_SUFFIXES

    if options["max_memory"]:
        DECODING.most_bytes = 1_000_000 * options["max_memory"] - OWN_MEMORY
    folders = [Path(options[name]) for name in ("output", "crops") if options[name]]
    rules = Rules(options["allow_private"], tuple(folders), options["pages"] == "all", notify, storage=True)
    if "begun" in options:
        rules = replace(rules, elsewhere=VIDEO_SUFFIXES)
    rules = replace(rules, names_files=any(options[name] for name in _OF_EACH), share=_share(options))
    inputs = find_inputs(options["img"], rules)
    check_folders(options, inputs)
    check_prefixes(options, inputs)
    output = resolve_output(options["output"], inputs)
    if options["crops"]:
        check_folder_name("--crops", options["crops"])
    files = {flag: options[name] for name, flag in _FILES.items()}
    others = {"--output": output, "--crops": options["crops"], "--parts": options["parts"]}
    others |= sink_files(options)
    check_stored({**files, **others})
    of_videos = {"--summary": options["summary"], "--save-tracks": options["save_tracks"]}
    check_targets({**files, **others, **of_videos}, _read(options, inputs))
    if options["save_tracks"]:
        from facecli.cli.run_video import check_thumbnails

        check_thumbnails(options, _read(options, inputs))
    goes_on = ("--json", "--csv") if options["resume"] else ()
    check_existing(
        ((flag, target) for flag, target in files.items() if flag not in goes_on),
        options["overwrite"],
        "--resume to go on with rows, ",
    )
    if options["resume"]:
        remove_leftovers(_beside(options))
    return inputs, output


def _share(options: dict[str, Any]) -> Callable[[str], bool] | None:
    """Which pictures are of this shard; None for all."""
    if not options["shard"]:
        return None
    from facecli.sinks.parts import parse_shard

    return parse_shard(options["shard"]).has


def _beside(options: dict[str, Any]) -> Iterator[Path]:
    """Files where the run that is gone on with has written."""
    for name in ("json_target", "csv_target"):
        if options[name]:
            yield from Path(options[name]).absolute().parent.glob(".*")
    for name in ("output", "crops", "parts"):
        for root, files in walk_folders(options[name]) if options[name] else ():
            yield from (Path(root, file) for file in files)


def _read(options: dict[str, Any], inputs: "Inputs") -> Iterator[tuple[Path | str, str]]:
    """Every file that the run reads, and what to call it."""
    called = "the picture itself" if inputs.is_single else "among what is read"
    yield from ((path, called) for path in inputs.files())
    for given in options["img"]:
        if given.startswith("@"):
            yield STDIN if given == "@-" else given[1:], "the list"
    yield from model_files(options)


def _executor_elsewhere(options: dict[str, Any]) -> "RowsExecutor | None":
    """What analyses in other processes; None for the threads of this one. Raises InputError."""
    from facecli.pipeline.batch import EXECUTORS, THREADS, Job

    entry = EXECUTORS.find(options["engine"] or THREADS)
    if not entry.is_elsewhere:
        return None
    settings = {name: options[name] for name in ("runner", "ray_address") if options[name]}
    if strays := [name for name in settings if name not in entry.settings]:
        raise InputError(f"--{strays[0].replace('_', '-')} is not known to --engine {options['engine']}")
    job = Job(functools.partial(batch_elsewhere, dict(options)), options["workers"], settings)
    return cast("RowsExecutor", entry.build(job))


def batch_elsewhere(options: dict[str, Any], workers: int) -> "Batch":
    """What analyses in a process of another executor, just as threads here would."""
    import cv2

    from facecli.core.images import DECODING, OWN_MEMORY

    options["threads"] = options["threads"] or 1
    cv2.setNumThreads(options["threads"])
    if options["max_memory"]:
        DECODING.most_bytes = 1_000_000 * options["max_memory"] - OWN_MEMORY
    return _batch(options, build_analyzer(options), workers)


def _build_batch(
    options: dict[str, Any],
    inputs: "Inputs",
    analyzer: "Analyzer | ComparingAnalyzer",
    sinks: list[Any],
    window: bool,
) -> "Batch":

    # Who waits for servers can wait for several.
    wanted = _MOST_WORKERS if inputs.has_remote else min(_cores(), _MOST_WORKERS)
    workers = 1 if inputs.is_single else options["workers"] or wanted
    if workers > 1 and not options["threads"]:
        import cv2

        # Each worker searches a picture of its own.
        cv2.setNumThreads(1)
    wants_image = window or any(sink.wants_image for sink in sinks)
    return _batch(options, analyzer, workers, wants_image, _refusal(sinks))


def _batch(
    options: dict[str, Any],
    analyzer: "Analyzer | ComparingAnalyzer",
    workers: int,
    wants_image: bool = False,
    refusal: "Callable[[str, int], EncodingError | None] | None" = None,
) -> "Batch":
    from facecli.core import images
    from facecli.pipeline.batch import Batch, LenientDecoder, Parallelism

    def looker() -> "Analyzer | ComparingAnalyzer":
        own = copy.copy(analyzer)
        own.detector = build_face_detector(options, threads=1)
        return own

    return Batch(
        looker if workers > 1 else lambda: analyzer,
        analyzer,
        Parallelism(workers, options["batch_size"] or _BATCH_SIZE),
        wants_image=wants_image,
        protect=protection(options),
        show_rejected=options["show_rejected"],
        model=analyzer.model,
        says_hints=True,
        decoder=LenientDecoder() if options["allow_truncated"] else images,
        refusal=refusal,
    )


def _refusal(sinks: list[Any]) -> "Callable[[str, int], EncodingError | None] | None":
    """What tells that no pixels are needed; None when somebody needs those of every picture."""
    from facecli.sinks.pictures import AnnotatedSink

    wanting = [sink for sink in sinks if sink.wants_image]
    if len(wanting) == 1 and isinstance(wanting[0], AnnotatedSink):
        return wanting[0].refusal
    return None


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
        self._unwritten: Exception | None = None

    def go(self, inputs: Iterable[Any], executor: "Batch | RowsExecutor", sinks: list[Any]) -> None:
        """Raises what the only picture fails of, after its row is written, and what sinks raise."""
        from facecli.sinks.base import feed
        from facecli.sinks.rows import remaining_items

        row_sinks = [sink for sink in sinks if hasattr(sink, "journal")]
        items = remaining_items(inputs, row_sinks, self._skip)
        if hasattr(executor, "tables"):
            self._write_tables(executor.tables(items), *sinks)
        else:
            feed(self._counted(executor.records(items)), sinks, self._note)

    def _write_tables(self, tables: "Iterable[pyarrow.Table]", parts: "PartsSink") -> None:
        """Rows of other processes. Raises what these and the sink raise."""
        for table in tables:
            parts.write_table(table)
            for source, error in zip(table["source"].to_pylist(), table["error"].to_pylist(), strict=True):
                self.count += 1
                if error is not None:
                    self.failures.add(source, error)
                self._bar.advance()

    def report(self) -> None:
        """Says on standard error what was not done."""
        if self._skipped:
            say(f"{self._skipped} of {self.count} pictures already had rows")
        if not self._is_single:
            self.failures.show()

    def _counted(self, records: Iterable[Any]) -> Iterator[Any]:
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
            if self._unwritten is not None and self._is_single:
                raise self._unwritten

    def _note(self, record: "Record", error: Exception) -> None:
        self.failures.add(record.source, str(error))
        self._unwritten = error

    def _skip(self, item: "Item", error: str | None) -> None:
        self.count += 1
        self._skipped += 1
        self._bar.advance()
        if error is not None:
            self.failures.add(item.source, error)


def _has_display() -> bool:
    from facecli.window.screen import display_available

    return display_available()


def _show(record: Any, options: dict[str, Any]) -> None:
    """Opens the window; where that fails, the table has said all that matters."""
    from facecli.window.screen import PictureWindow

    nothing_open = contextlib.ExitStack()
    title = f"facecli - {Path(record.source).name}"
    try:
        with PictureWindow(title, closing_all(nothing_open)) as window:
            window.show_until_closed(drawing(options)(record.image_rgb, record.result.faces))
    except OutputError as error:
        say(error.with_hint)
