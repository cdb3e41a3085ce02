"""`--model-type detector` and `landmarks` of `facecli train` and `evaluate`: what finds faces."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecli.cli.output import say, show_text, write_text
from facecli.cli.training_options import command_line, fit_options, import_keras, log_to_stderr, show_plan
from facecli.core import paths
from facecli.core.errors import InputError
from facecli.core.paths import DETECTOR, DETECTOR_MODEL, LANDMARKS, LANDMARKS_MODEL

if TYPE_CHECKING:
    from facecli.detect.registry import Detector

CNN = "cnn"
FINDERS = (DETECTOR, LANDMARKS)
"""Model types that are trained here."""
DEFAULTS: dict[str, dict[str, Any]] = {
    DETECTOR: {
        "epochs": 40,
        "batch_size": 16,
        "learning_rate": 2e-3,
        "warmup_epochs": 0.5,
        "weight_decay": 0.02,
        "image_size": 256,
        "samples": 4800,
        "name": DETECTOR_MODEL,
    },
    LANDMARKS: {
        "epochs": 40,
        "batch_size": 64,
        "learning_rate": 2e-3,
        "warmup_epochs": 0.5,
        "weight_decay": 0.02,
        "samples": 24_000,
        "name": LANDMARKS_MODEL,
    },
}
"""Options of the runs that measured best."""
LOWEST_SCORE = 0.02
_OF_LISTS = ("label_file", "label_pairs", "faces", "allow_private")
_NOT_FOR_TRAINING = (
    "backbone", "heads", "unfreeze", "unfreeze_epochs", "rebalance", "trunk_weights", "allow_one_sided",
    "degraded_share", "embedding", "average", "tensorboard", "evaluate",
    "left_out", "keep_epochs", "head_weights", *_OF_LISTS,
)  # fmt: skip
_NOT_FOR_MEASURING = ("batch_size", "runtime", "show", "epoch", "epochs", *_OF_LISTS)
FOR_TRAINING = ("teacher_weights", "samples")
FOR_MEASURING = ("teacher_weights", "detector", "detector_weights")
"""Options of `train` and of `evaluate` that are for detectors only."""


def teacher_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: `--teacher-weights`."""
    return click.option(
        "--teacher-weights",
        type=click.Path(path_type=Path),
        help="ONNX file of YuNet, the teacher of --model-type detector: it provides landmarks, and faces"
        " that are not annotated.  [default: that of 'facecli weights get yunet', if installed]",
    )(command)


def train_finder(options: dict[str, Any], places: list[Path]) -> None:
    """Trains one of FINDERS. Raises UsageError for options that mean nothing to it."""
    kind = options["model_type"]
    _check(options)
    defaults = DEFAULTS[kind]
    plan = {key: options[key] if options.get(key) is not None else value for key, value in defaults.items()}
    options = {**options, **plan, "degraded_share": 0.0}
    if options.pop("dry_run"):
        article = "a detector" if kind == DETECTOR else "what finds landmarks"
        show_plan(f"would train {article}:", {"data_paths": [str(place) for place in places], **plan})
        return
    import_keras()
    from facecli.training.box_data import prepare_boxes

    log_to_stderr()
    teacher = teacher_file(options["teacher_weights"])
    data = prepare_boxes(places, options["seed"], options["limit"], teacher)
    if unknown := set(options["shares"]) - {one.name for one in data}:
        raise click.UsageError(f"--share: no set is called {', '.join(sorted(unknown))}")
    folder = _run_training(kind, data, options)
    show_text(f"saved {folder}")
    measured = f"--model-path {folder}" if kind == DETECTOR else "(landmarks are measured with the detector)"
    say(f"measure it with 'facecli evaluate --model-type {DETECTOR}' {measured}")


def _run_training(kind: str, data: list[Any], options: dict[str, Any]) -> Path:
    if kind == LANDMARKS:
        from facecli.training.landmarks import LandmarkRequest, train_landmarks

        asked = LandmarkRequest(options["name"], options["samples"], command_line())
        return train_landmarks(data, asked, fit_options(options))
    from facecli.training.detector import DetectorRequest, train_detector

    request = DetectorRequest(
        name=options["name"],
        side=options["image_size"],
        samples=options["samples"],
        initial=options["initial"],
        command=command_line(),
    )
    return train_detector(data, request, fit_options(options))


def refuse_given(names: Sequence[str], detects: bool = True) -> None:
    """Raises UsageError for options of the running command that would be passed over in silence.

    `detects`: it is about a detector; else the options are for detectors only.
    """
    context = click.get_current_context()
    wrong = [name for name in names if _is_given(context, name)]
    if wrong:
        named = ", ".join(one.opts[0] for one in context.command.params if one.name in wrong)
        raise click.UsageError(
            f"{named}: {'not' if detects else 'only'} for --model-type {_kinds(context, detects)}"
        )


def _kinds(context: click.Context, detects: bool) -> str:
    return context.params["model_type"] if detects else " or ".join(FINDERS)


def _is_given(context: click.Context, name: str) -> bool:
    """Typed, or in a file of options."""
    source = click.core.ParameterSource
    return context.get_parameter_source(name) in (source.COMMANDLINE, source.DEFAULT_MAP)


def _check(options: Mapping[str, Any]) -> None:
    refuse_given(_NOT_FOR_TRAINING)
    if options["model_type"] == LANDMARKS:
        refuse_given(("image_size", "initial"))
    _need_data(options)
    if options["image_size"] is not None and options["image_size"] % 64:
        raise click.UsageError("--image-size of a detector is a multiple of 64")


def _need_data(options: Mapping[str, Any]) -> None:
    if not options["data_paths"]:
        raise click.UsageError("give sets of boxes with --data-path; see docs/detector.md for their layouts")


def teacher_file(given: Path | None) -> Path | None:
    """YuNet's weights: as given, else those that were fetched, if there are any."""
    from facecli.models.weights_registry import find_weights

    if given is not None and not given.is_file():
        raise InputError(f"no detector weights at {given}; check --teacher-weights")
    return given or find_weights("yunet")


def evaluate_detector(options: Mapping[str, Any], places: list[Path]) -> None:
    """Measures a detector on sets of boxes; prints a table, writes `metrics.json` and a sheet of misses."""
    refuse_given(_NOT_FOR_MEASURING)
    _need_data(options)
    log_to_stderr()
    from facecli.detect.registry import build_detector
    from facecli.models.checkpoint import write_json
    from facecli.training.box_data import prepare_boxes
    from facecli.training.detector_report import draw_misses, measure_detector

    seed = 1 if options["seed"] is None else options["seed"]
    teacher = teacher_file(options["teacher_weights"])
    weights = Path(options["model_path"]) if options["model_path"] else options["detector_weights"]
    # What others say of landmarks is theirs.
    detector = build_detector(options["detector"], weights=weights, refine=options["detector"] == CNN)
    generous = _build_generous(options["detector"], weights)
    documents = {}
    part = options["split"] if options["limit"] is None else f"{options['split']}-{options['limit']}"
    for data in prepare_boxes(places, seed, options["limit"], teacher, options["split"]):
        measured = measure_detector(detector, data, options["split"], generous)
        documents[data.name] = {"detector": detector.name, "split": options["split"], **measured.figures}
        folder = options["output"] or paths.statistics_dir() / "detector" / detector.name
        if options["output"] is None or len(places) > 1:
            folder /= data.name
        # What is said of a part must not take the place of what is said of the whole.
        folder = folder if part == "test" or options["output"] else folder / part
        write_json(folder / "metrics.json", documents[data.name])
        draw_misses(measured, folder / "misses.jpg")
        say(f"wrote {folder}")
    _keep_with_detector(options, weights, documents)
    if options["json_target"] is not None:
        write_text(options["json_target"], json.dumps(documents) + "\n")
    if options["json_target"] != "-":
        for name, document in documents.items():
            _show(name, document)


def _keep_with_detector(
    options: Mapping[str, Any], weights: Path | None, documents: Mapping[str, Any]
) -> None:
    """The numbers of whole test splits travel with the user's own detector that they are about."""
    from facecli.models.checkpoint import read_json, write_json

    folder = weights or paths.saved_model_dir() / DETECTOR_MODEL
    whole = options["detector"] == CNN and options["split"] == "test" and options["limit"] is None
    if (
        whole
        and (folder / "config.json").is_file()
        and folder.resolve().parent == paths.saved_model_dir().resolve()
    ):
        before = read_json(folder / "metrics.json").get("sets")
        known = before if isinstance(before, dict) else {}
        write_json(folder / "metrics.json", {"sets": {**known, **documents}})


def _build_generous(name: str, weights: Path | None) -> "Detector | None":
    """The same detector at a low threshold, for average precision; None when it has none."""
    from facecli.detect.registry import build_detector, find_entry

    if "score_threshold" not in find_entry(name).option_names:
        return None
    return build_detector(name, {"score_threshold": LOWEST_SCORE}, weights, refine=name == CNN)


def _show(name: str, document: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"{document['detector']} on {name}, {document['split']}: {document['pictures']} pictures"
    table = Table(title=title, title_justify="left")
    for column in ("measure", "value", "95 % interval", "of"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    for row in detector_rows(document):
        table.add_row(*row)
    Console().print(table)


def detector_rows(document: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Every number of the table: measure, value, interval, count."""
    faces, pictures = str(document["faces"]), str(document["pictures"])
    shares = {"faces of 16 px and more found": (document["found"], faces)}
    shares |= {f"... of {band}": (share, "") for band, share in document["found_by_size"].items()}
    shares |= {f"... {name}": (share, "") for name, share in document.get("found_by_group", {}).items()}
    shares["precision"] = document["precision"], ""
    shares["precision, raw"] = document["precision_raw"], ""
    empty = document["of_these_with_a_false_face"], str(document["pictures_without_a_face"])
    shares["pictures without a face that have one"] = empty
    rows = [
        (name, f"{100 * share[0]:.1f} %", f"{100 * share[1]:.1f}-{100 * share[2]:.1f}", count)
        for name, (share, count) in shares.items()
        if share
    ]
    rows.append(("average precision at 0.5", f"{document['average_precision']:.3f}", "", faces))
    rows.append(("false boxes a picture", f"{document['false_boxes_a_picture']:.3f}", "", pictures))
    if error := document["landmark_error"]:
        value = f"{100 * error['mean']:.1f} %"
        rows.append(("landmarks off by, of the distance between the eyes", value, "", str(error["faces"])))
    return rows
