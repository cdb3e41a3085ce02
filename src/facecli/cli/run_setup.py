"""What `facecli run` needs: options of pictures, the analyzer, a display to show on, covers for faces."""

import contextlib
import functools
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecli.cli.options import find_compared, model_given
from facecli.cli.output import report_error
from facecli.core.errors import CheckpointError, FacecliError, InputError
from facecli.core.paths import is_storage_address

if TYPE_CHECKING:
    from facecli.detect.registry import Detector
    from facecli.draw.anonymize import Protect
    from facecli.infer.analyzer import Analyzer, ComparingAnalyzer, ReadoutOptions
    from facecli.models.checkpoint import Checkpoint
    from facecli.sinks.html import ReportSink

_PICTURE_OPTIONS = (
    click.option(
        "--crops", metavar="DIR", help="Write each face as a picture of its own: DIR/photo-face1.jpg."
    ),
    click.option(
        "--parquet",
        metavar="FILE",
        help="Write the table of --csv as Parquet, for data frames (needs pyarrow).",
    ),
    click.option(
        "--parts",
        metavar="DIR",
        help="Write rows as Parquet files of some thousand pictures each, which --resume can continue "
        "and 'facecli merge' joins.",
    ),
    click.option(
        "--part-size",
        metavar="N",
        type=click.IntRange(1, 1_000_000),
        help="Number of pictures in each file of --parts.  [default: 2000]",
    ),
    click.option(
        "--shard",
        metavar="K/N",
        help="Analyse only the K-th of N shares of the pictures; auto or auto/N in array jobs of Slurm, "
        "AWS Batch and Kubernetes.",
    ),
    click.option(
        "--resume",
        is_flag=True,
        help="Continue the files of --json, --csv and --parts of an interrupted run; existing rows are kept.",
    ),
    click.option(
        "--engine",
        metavar="NAME",
        help="Where pictures are analysed: threads, in this process; or daft, in several processes or on a "
        "Ray cluster (needs --parts).  [default: threads]",
    ),
    click.option(
        "--runner",
        metavar="NAME",
        help="With --engine daft: native (this machine) or ray (a Ray cluster).  [default: native]",
    ),
    click.option(
        "--ray-address",
        metavar="HOST:PORT",
        help="With --engine daft: address of the Ray cluster, or auto.  [default: Ray is started on this "
        "machine]",
    ),
    click.option(
        "--workers",
        metavar="N",
        type=click.IntRange(1, 4096),
        help="Number of threads that decode and search pictures, at most 64; with --engine daft, of "
        "processes.  [default: cores, at most 8; 8 for web addresses; with --engine daft all cores]",
    ),
    click.option(
        "--batch-size",
        metavar="N",
        type=click.IntRange(1, 1024),
        help="Number of faces that the network reads in one call.  [default: 16]",
    ),
    click.option(
        "--max-memory",
        metavar="MB",
        type=click.IntRange(200),
        help="Memory limit for decoding pictures; a picture whose header says that it needs more is "
        "refused.  [default: 700]",
    ),
    click.option(
        "--pages",
        type=click.Choice(("first", "all")),
        help="Which pictures to read from files that hold several, such as TIFFs and animations.  "
        "[default: first]",
    ),
    click.option(
        "--allow-truncated",
        is_flag=True,
        help="Read what can be decoded of truncated pictures, and mark their rows.",
    ),
    click.option(
        "--allow-private", is_flag=True, help="Also fetch from addresses of your own network and machine."
    ),
)
PICTURE_OPTIONS = (
    "crops", "parquet", "parts", "part_size", "shard", "resume", "engine", "runner", "ray_address",
    "workers", "batch_size", "max_memory", "pages", "allow_truncated", "allow_private",
)  # fmt: skip
WRITTEN = ("output", "json_target", "csv_target", "parquet", "parts", "crops", "report", "sink")
"""Options that name what is written; with any of them no window is opened."""

_DETAIL_OPTIONS = (
    click.option(
        "--details",
        is_flag=True,
        help="Write all probabilities to the table and JSON, and draw a panel for each face in annotated"
        " pictures.",
    ),
    click.option(
        "--compare",
        metavar="MODELS",
        help="Compare two or more models, given by name or folder: facenet,normal.",
    ),
    click.option(
        "--age-groups",
        metavar="GROUPS",
        help="Add the most probable age band: decades, life, adience, fairface, or your own bands such "
        "as 0-24,25-49,50-74,75-99.",
    ),
    click.option(
        "--report",
        metavar="FILE",
        help="Write a self-contained HTML page with thumbnails, probability bars, ages and filters.",
    ),
)
DETAIL_OPTIONS = ("details", "compare", "age_groups", "report")

POLITE_KILLS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_MOST_THREADS = 64
_OF_HAAR = ("scale_factor", "min_neighbors", "min_size")
"""Options of the cascade that have names of their own."""


def picture_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command."""
    for option in reversed(_PICTURE_OPTIONS):
        command = option(command)
    return command


def check_picture_options(options: dict[str, Any]) -> None:
    """What can be refused before anything heavy is imported. Raises InputError."""
    if not options["img"]:
        strays = [name for name in PICTURE_OPTIONS if options[name]]
        if strays:
            raise InputError(f"--{strays[0].replace('_', '-')} needs --img")
        return
    if options["parquet"] == "-":
        raise InputError("--parquet cannot be written to standard output; name a file")
    if options["part_size"] and not options["parts"]:
        raise InputError("--part-size needs --parts DIR")
    if options["parts"] == "-":
        raise InputError("--parts cannot be written to standard output; name a folder")
    if options["parts"] and options["overwrite"]:
        raise InputError(
            "--overwrite does not apply to --parts; delete unwanted parts, or leave out --overwrite"
        )
    if options["shard"] is not None:
        from facecli.sinks.parts import parse_shard

        options["shard"] = str(parse_shard(options["shard"]))
    if options["resume"]:
        _check_resume(options)
    _check_engine(options)


def _check_engine(options: dict[str, Any]) -> None:
    """What executors elsewhere cannot do, and settings of another one."""
    if options["engine"] in (None, "threads"):
        strays = [name for name in ("runner", "ray_address") if options[name]]
        if strays:
            raise InputError(f"--{strays[0].replace('_', '-')} is of --engine daft; add that")
        if (options["workers"] or 0) > _MOST_THREADS:
            raise InputError(f"--workers {options['workers']}: a process has {_MOST_THREADS} threads at most")
        return
    if not options["parts"]:
        raise InputError(
            f"--engine {options['engine']} writes --parts; add --parts DIR, and 'facecli merge' joins"
        )
    names = ("output", "json_target", "csv_target", "parquet", "crops", "report", "sink", "anonymize")
    given = [name.removesuffix("_target") for name in names if options.get(name)]
    if given:
        raise InputError(
            f"--engine {options['engine']} writes --parts alone; leave --{given[0]} out, or run it on threads"
        )


def check_places(options: dict[str, Any]) -> None:
    """Raises InputError when what is written to files of this machine shall go to object storage."""
    local = ["crops", "report", "summary", "save_tracks"]
    for name in local + (["output"] if options["video"] is not None else []):
        if options[name] and is_storage_address(options[name]):
            raise InputError(
                f"--{name.replace('_', '-')} cannot write to object storage; name a path on this "
                "machine and copy the result"
            )


def _check_resume(options: dict[str, Any]) -> None:
    if options["overwrite"]:
        raise InputError("--resume and --overwrite exclude each other; give only one")
    targets = [options[name] for name in ("json_target", "csv_target", "parts") if options[name]]
    if not targets or "-" in targets:
        raise InputError("--resume needs a file to continue; add --json FILE, --csv FILE or --parts DIR")
    for name in ("parquet", "report"):
        if options.get(name):
            raise InputError(
                f"--{name} cannot be resumed, because it is written from all rows at once; leave "
                f"out --{name} or --resume"
            )


def details_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command."""
    for option in reversed(_DETAIL_OPTIONS):
        command = option(command)
    return command


def check_details(options: dict[str, Any]) -> None:
    """What can be refused before anything heavy is imported. Raises InputError."""
    if not options["img"]:
        strays = [name for name in DETAIL_OPTIONS if options[name]]
        if strays:
            raise InputError(f"--{strays[0].replace('_', '-')} needs --img")
    if options["age_groups"] is not None:
        from facecli.core.attributes import parse_age_groups

        parse_age_groups(options["age_groups"])
    if options["report"] is not None:
        _check_report(options["report"])
    if options["compare"] is not None:
        if options["model_path"]:
            raise InputError("--compare cannot be combined with --model-path; name all models in --compare")
        compared_folders(options["compare"])


def _check_report(target: str) -> None:
    if target == "-" or Path(target).suffix.lower() not in (".html", ".htm") or Path(target).is_dir():
        raise InputError(f"--report {target} is not an HTML file; name a file that ends in .html")


def sink_files(options: dict[str, Any]) -> dict[str, str]:
    """Files of --sink, as `options.check_targets` takes them. Raises InputError for an unknown sink."""
    from facecli.sinks.base import parse_sink

    chosen = [parse_sink(text) for text in options["sink"]]
    files: dict[str, str] = {}
    for one in chosen:
        flag = f"--sink {one.name}"
        while flag in files:
            # Of several of one kind each is looked at.
            flag = f"another {flag}"
        if one.entry.target_is_file:
            files[flag] = one.target
    return files


def build_other_sinks(options: dict[str, Any]) -> list[Any]:
    """The sinks of other packages that were asked for, not yet entered."""
    from facecli.sinks.base import parse_sink

    return [choice.entry.build(choice.target) for choice in map(parse_sink, options["sink"])]


def further_heads(analyzer: object) -> dict[str, tuple[str, ...]]:
    """Heads that the model brings whose answers rows give, with their classes; {} for what reads no faces."""
    first = next(iter(getattr(analyzer, "checkpoints", {}).values()), None)
    return {} if first is None else first.further


def build_report(options: dict[str, Any], analyzer: "Analyzer | ComparingAnalyzer") -> "ReportSink":
    """The sink of --report, not yet entered."""
    from facecli.models.registry import describe
    from facecli.sinks.html import ReportSink

    checkpoints = analyzer.checkpoints
    models = [(name, known, describe(known.folder).metrics) for name, known in checkpoints.items()]
    return ReportSink(Path(options["report"]), models)


def compared_folders(spec: str) -> dict[str, Path]:
    """Name as given -> model folder, of "facenet,normal" or "mine,./folder".

    Raises InputError: fewer than two, one twice, or no such model.
    """
    names = [part.strip() for part in spec.split(",")]
    if len(names) < 2 or not all(names):
        raise InputError(
            f"--compare '{spec}' needs at least two models; give names or folders: facenet,normal"
        )
    found: dict[str, Path] = {}
    for name in names:
        folder = _find(name)
        if folder.resolve() in {other.resolve() for other in found.values()}:
            raise InputError(f"--compare '{spec}' names {folder} twice; give different models")
        found[name] = folder
    return found


def _find(name: str) -> Path:
    try:
        return find_compared(name)
    except CheckpointError as error:
        raise InputError(
            f"--compare: no model '{name}'; 'facecli models list' says which are here"
        ) from error


def build_reading(options: dict[str, Any]) -> "ReadoutOptions":
    """What is wanted of each face beside its labels and age."""
    from facecli.core.attributes import parse_age_groups
    from facecli.infer.analyzer import ReadoutOptions

    spec = options.get("age_groups")
    groups = parse_age_groups(spec) if spec else None
    return ReadoutOptions(bool(options.get("details")), groups, options.get("uncertain_below"))


def build_comparison(checkpoints: dict[str, "Checkpoint"], build: Callable[..., Any]) -> "ComparingAnalyzer":
    """The analyzer that lets several models read each face.

    Args:
        checkpoints: by the names that the user wrote, see `compared_folders`.
        build: checkpoint -> its `Analyzer`.

    Raises CheckpointError.
    """
    from facecli.infer.analyzer import ComparingAnalyzer

    own_names = [checkpoint.name for checkpoint in checkpoints.values()]
    # Copies of a model have one name: then what the user wrote tells them apart.
    names = own_names if len(set(own_names)) == len(own_names) else list(checkpoints)
    analyzers = [build(checkpoint) for checkpoint in checkpoints.values()]
    return ComparingAnalyzer(dict(zip(names, analyzers, strict=True)))


def build_analyzer(options: dict[str, Any]) -> "Analyzer | ComparingAnalyzer":
    """The analyzer that the options of `run` describe.

    Raises InputError or CheckpointError.
    """
    import cv2

    from facecli.core.paths import find_model
    from facecli.infer.analyzer import Analyzer, FaceSelection
    from facecli.models.checkpoint import load_checkpoint
    from facecli.models.litert import Predictor

    if options["threads"]:
        cv2.setNumThreads(options["threads"])
    if compared := options.get("compare"):
        checkpoints = {name: load_checkpoint(folder) for name, folder in compared_folders(compared).items()}
    else:
        checkpoints = {"": load_checkpoint(find_model(model_given(options)))}
    detector = build_face_detector(options, checkpoints.values())
    reading = build_reading(options)
    selection = FaceSelection(
        options.get("min_size") or 0, options.get("largest"), options.get("min_quality") or 0.0
    )

    def build(checkpoint: "Checkpoint") -> Analyzer:
        predictor = Predictor(checkpoint, options["threads"])
        # A face that the model refuses is a face to be covered nevertheless.
        covered = options["anonymize"] or options.get("save_tracks")
        all_found = options["show_rejected"] or bool(covered)
        return Analyzer(detector, predictor, options["margin"], all_found, reading, selection)

    if compared:
        return build_comparison(checkpoints, build)
    return build(checkpoints[""])


def build_face_detector(
    options: dict[str, Any], checkpoints: Iterable["Checkpoint"] = (), threads: int | None = None
) -> "Detector":
    """The detector that the options of a command describe; one thread at a time may use it.

    `checkpoints` of the models decide what `auto` means; the options then have its name. `threads` are of
    the detector, those of the options when not given.

    Raises InputError or CheckpointError.
    """
    from facecli.detect.registry import BEST, FREE, build_detector, choose_detector, may_refine

    configs = [known.config for known in checkpoints]
    options["detector"] = choose_detector(options["detector"], configs)
    name, weights = options["detector"], options["detector_weights"]
    given = {key: options[key] for key in _OF_HAAR if name == FREE and key in options}
    if name == BEST:
        given["cover"] = bool(options.get("anonymize") or options.get("save_tracks"))
        if options.get("video") is not None:
            given["tiles"] = False
    if options.get("search_size") is not None:
        given["longest_side"] = options["search_size"]
    given |= dict(pair.split("=", 1) for pair in options["detector_option"])
    place = None if weights is None else Path(weights)
    refine = may_refine(name, configs)
    return build_detector(name, given, place, threads or options.get("threads"), refine)


def check_display(consequence: str) -> None:
    """Raises InputError, naming the options, when no window can be opened."""
    from facecli.window.screen import display_available

    if not display_available():
        raise InputError(
            f"there is no display to show {consequence} on; add --no-show, or --no-show with "
            "--output PATH or --json FILE"
        )


def closing_all(files: contextlib.ExitStack) -> Callable[[FacecliError], None]:
    """What `window.screen.Screen` calls when there is no other way out than the end of the process.

    It closes the files as if the error had been raised, and reports it like `cli`.
    """

    def close(error: FacecliError) -> None:
        try:
            with files:
                raise error
        except FacecliError as last:
            report_error(last.with_hint, last.exit_code)

    return close


def protection(options: dict[str, Any]) -> "Protect | None":
    """What covers faces in a picture, or None."""
    if options["anonymize"] is None:
        return None
    from facecli.draw.anonymize import anonymize

    return functools.partial(anonymize, method=options["anonymize"])


@contextlib.contextmanager
def closing_on_sigterm() -> Iterator[None]:
    """A polite kill, or a terminal that was closed, unwinds like Ctrl-C, so that files are closed.

    What is ignored already stays so: that is how `nohup` works.
    """
    before = {kill: signal.getsignal(kill) for kill in POLITE_KILLS}
    heeded = [kill for kill, handler in before.items() if handler is not signal.SIG_IGN]
    for kill in heeded:
        signal.signal(kill, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        for kill in heeded:
            signal.signal(kill, before[kill])
