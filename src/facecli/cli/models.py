"""`facecli models` and `facecli weights`: the networks on this machine, trained here and published."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecli.cli.options import text_option
from facecli.cli.output import download_bar, say, show_text, write_text
from facecli.core import paths
from facecli.core.attributes import FACE_HEADS, NAMED_HEADS
from facecli.core.console import printable, tables_wanted
from facecli.core.errors import CheckpointError, FacecliError, InputError, WeightsError

if TYPE_CHECKING:
    from facecli.models.registry import Entry

_WRAPPED = ("heads", "note")


def list_rows(entries: Sequence[Any]) -> list[tuple[str, ...]]:
    """The header, then a row for each `models.registry.Entry`; blank is what is not known.

    A head that a model brings has a column when one of the models has it.
    """
    heads = tuple(dict.fromkeys((*NAMED_HEADS, *(head for entry in entries for head in entry.further))))
    return [("model", "heads", "size", "age", *heads, "note"), *(_row(entry, heads) for entry in entries)]


def _row(entry: "Entry", heads: Sequence[str]) -> tuple[str, ...]:
    sound = entry.problem is None
    notes = ["shipped"] if entry.shipped else []
    if not entry.runs:
        notes.append(entry.problem or ("finds faces" if entry.finds_faces else "to train from, not to run"))
    return (
        entry.name,
        " ".join(entry.config.get("heads", ())) if sound else "",
        size_text(entry.size_bytes),
        _number(entry.metrics, "age", "mae", "{:.2f}"),
        *(_number(entry.metrics, head, "accuracy", "{:.1%}") for head in heads),
        "; ".join(notes),
    )


def _number(metrics: dict[str, Any], head: str, measure: str, form: str) -> str:
    value = _part(metrics, head).get(measure)
    return form.format(value) if isinstance(value, int | float) else ""


def show_model_table(rows: Sequence[Sequence[str]]) -> None:
    """Prints rows to standard output: with rich on a terminal, plain when piped."""
    header, *body = rows
    if not tables_wanted():
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            show_text("  ".join(cells).rstrip())
        return

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in header:
        table.add_column(
            name, no_wrap=name not in _WRAPPED, overflow="fold", min_width=7 if name in _WRAPPED else None
        )
    for row in body:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console().print(table)


def describe_lines(entry: "Entry") -> Iterator[str]:
    """A model's facts, one a line: name, two spaces, value."""
    facts: dict[str, object] = {
        "model": entry.name,
        "folder": entry.folder,
        "from": "came with facecli" if entry.shipped else "your own",
        "size": size_text(entry.size_bytes),
    }
    if entry.problem is None:
        facts |= dict(_configured(entry.config))
    facts |= dict(_epochs(entry.folder))
    facts |= dict(_measured(entry.metrics, entry.further))
    width = max(map(len, facts))
    for name, value in facts.items():
        yield f"{name:<{width}}  {value}".rstrip()


def _configured(config: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield (
        "kind",
        " ".join(dict.fromkeys(str(config[key]) for key in ("model_type", "backbone") if key in config)),
    )
    labels = _part(config, "labels")
    for head in config.get("heads", ()):
        names = [str(name) for name in labels.get(head) or ()]
        said = f"{names[0]} to {names[-1]} years" if head == "age" and names else _named(names)
        yield f"head {head}", said
    if "image_size" in config:
        yield "input", " x ".join(map(str, config["image_size"])) + " pixels"
    detectors = _part(config, "detectors")
    for name in detectors:
        crop = _part(detectors, name)
        yield f"crop of {name}", f"margin {crop.get('margin')}, shift_y {crop.get('shift_y')}"
    for key in ("parameters", "seed", "split_digest", "command"):
        if key in config:
            yield key.replace("_", " "), config[key]
    if "duration_s" in config:
        yield "trained for", f"{config['duration_s']} s"
    if "score_threshold" in config:
        yield "score threshold", config["score_threshold"]
    else:
        yield "calibrated", "yes" if "calibration" in config else "no"
    yield from _terms(config)
    for file, digest in _part(config, "sha256").items():
        yield f"sha256 of {file}", digest


def _epochs(folder: Path) -> Iterator[tuple[str, object]]:
    """Which epoch of its training a model is, and which others lie in its folder."""
    from facecli.models.registry import best_epoch, kept_epochs

    if best := best_epoch(folder):
        yield "epoch", f"{best}, the best"
    if kept := kept_epochs(folder):
        size = size_text(sum(one.size_bytes for one in kept))
        yield "other epochs", f"{' '.join(str(one.number) for one in kept)} ({len(kept)}, {size})"


def _named(names: Sequence[str]) -> str:
    """Names of classes; between those of several words stand commas."""
    return (", " if any(" " in name for name in names) else " ").join(names)


def _terms(config: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """What the model may be used for, and why."""
    from facecli.models.terms import terms_of

    terms = terms_of(config)
    yield "licence", terms.licence
    yield "may be used for", terms.may_be_used_for
    if not terms.sources:
        yield "learnt from", "not known"
    for number, source in enumerate(terms.sources, start=1):
        name = f"{source.name} {source.url}".rstrip()
        yield f"learnt from ({number})", f"{name}: {source.terms}"


def _measured(metrics: dict[str, Any], further: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    if not metrics:
        yield "measured", "nothing yet; 'facecli evaluate' does it"
        return
    if sets := _part(metrics, "sets"):
        yield from _found(sets)
        return
    yield "measured on", f"{metrics.get('count', '?')} faces of the {metrics.get('split', '?')} split"
    if age := _number(metrics, "age", "mae", "{:.2f} years"):
        yield "age error", age + _interval(_part(metrics, "age").get("mae_ci95"), "{:.2f}")
    for head in (*FACE_HEADS, *further):
        if right := _number(metrics, head, "accuracy", "{:.1%}"):
            part = _part(metrics, head)
            on = (
                f", {part.get('count')} faces of {part['data']}" if "data" in part and head in further else ""
            )
            yield f"{head} right", right + _interval(part.get("accuracy_ci95"), "{:.1%}") + on


def _found(sets: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a detector finds in each set: share and precision, each with its interval."""
    for name in sets:
        row = _part(sets, name)
        for key, told in (("found", "found on"), ("precision", "precision on")):
            share = row.get(key)
            if (
                isinstance(share, list)
                and len(share) == 3
                and all(isinstance(one, int | float) for one in share)
            ):
                yield f"{told} {name}", f"{share[0]:.1%}{_interval(share[1:], '{:.1%}')}"


def _part(value: dict[str, Any], key: str) -> dict[str, Any]:
    """What lies under the key when that is an object: files may say anything."""
    part = value.get(key)
    return part if isinstance(part, dict) else {}


def _interval(bounds: object, form: str) -> str:
    if not isinstance(bounds, list) or not all(isinstance(bound, int | float) for bound in bounds):
        return ""
    return f" (95 % interval {' to '.join(form.format(bound) for bound in bounds)})"


def json_entry(entry: "Entry", whole: bool = False) -> dict[str, Any]:
    """A model as plain JSON; `whole` adds all that its `config.json` and `metrics.json` say."""
    from facecli.models.registry import best_epoch, kept_epochs
    from facecli.models.terms import terms_of

    sound = entry.problem is None
    epochs = [{"epoch": one.number, "size_bytes": one.size_bytes} for one in kept_epochs(entry.folder)]
    about = {
        "name": entry.name,
        "folder": str(entry.folder),
        "shipped": entry.shipped,
        "runs": entry.runs,
        "problem": entry.problem,
        "heads": entry.config.get("heads", []) if sound else [],
        "size_bytes": entry.size_bytes,
        "epoch": best_epoch(entry.folder),
        "other_epochs": epochs,
        "sha256": entry.config["sha256"] if sound else {},
        "terms": terms_of(entry.config).to_config(),
    }
    return {**about, "config": entry.config, "metrics": entry.metrics} if whole else about


def size_text(count: int) -> str:
    """Bytes for people: "7.2 MB"."""
    size: float = count
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


@click.group()
def models() -> None:
    """List, show, verify and remove the models on this machine.

    \b
    Examples:
      facecli models list
      facecli models show facenet
    """


@models.command(name="list", short_help="List the models on this machine.")
@text_option("json", "Write a JSON list to FILE; without FILE, or with -, print it instead of the table.")
def list_(json_target: str | None) -> None:
    """List the models on this machine: your own and those shipped with facecli.

    The figures are those of the test split: mean absolute error of age in years, accuracy of the others.

    \b
    Examples:
      facecli models list
      facecli models list --json
    """
    from facecli.models.registry import list_models

    entries = list_models()
    if json_target is not None:
        write_text(json_target, json.dumps([json_entry(entry) for entry in entries], indent=1) + "\n")
    if json_target == "-":
        return
    show_model_table(list_rows(entries))
    say(f"new models go to {paths.saved_model_dir()}")


@models.command(short_help="Print all information about a model.")
@click.argument("name")
@text_option(
    "json",
    "Write config.json and metrics.json to FILE; without FILE, or with -, print them instead of the text.",
)
def show(name: str, json_target: str | None) -> None:
    """Print all information about the model NAME (a name or a folder).

    \b
    Examples:
      facecli models show facenet
      facecli models show my_model --json
    """
    from facecli.models.registry import find_short

    entry = find_short(name)
    if json_target is not None:
        write_text(json_target, json.dumps(json_entry(entry, whole=True), indent=1) + "\n")
    if json_target != "-":
        for line in describe_lines(entry):
            show_text(line)
    if entry.problem is not None:
        raise CheckpointError(entry.problem)


@models.command(short_help="Verify the files of all models, or of one.")
@click.argument("name", required=False)
def verify(name: str | None) -> None:
    """Verify the files of every model (or only of NAME) against the digests in its config.json.

    This includes the epochs kept in the folder of a model.

    \b
    Examples:
      facecli models verify
      facecli models verify facenet
    """
    from facecli.models.registry import describe, find_short, kept_epochs, list_models

    entries = [find_short(name)] if name is not None else list_models()
    entries = [
        part
        for entry in entries
        for part in (entry, *(describe(one.folder) for one in kept_epochs(entry.folder)))
    ]
    if not entries:
        raise CheckpointError(f"no model in {paths.saved_model_dir()}; train one with 'facecli train'")
    wrong = sum(_verified(entry) for entry in entries)
    if wrong:
        files = "1 file is" if wrong == 1 else f"{wrong} files are"
        raise CheckpointError(f"{files} not what config.json says; train the model or get its folder again")


def _verified(entry: "Entry") -> int:
    """Prints a line for each file of a model and returns how many are wrong."""
    from facecli.models.registry import verify as verify_files

    try:
        checks = verify_files(entry)
    except CheckpointError as error:
        show_text(f"WRONG {entry.folder}: {entry.problem or error}")
        return 1
    wrong = [check for check in checks if check.problem is not None]
    # What is wrong with a file has its line below.
    is_more = entry.problem is not None and not any(str(check.path) in entry.problem for check in wrong)
    if is_more:
        show_text(f"WRONG {entry.folder}: {entry.problem}")
    for check in checks:
        show_text(f"ok    {check.path}" if check.problem is None else f"WRONG {check.path} {check.problem}")
    return len(wrong) + is_more


@models.command(short_help="Remove one of your models, after asking.")
@click.argument("name")
@click.option("--epochs", is_flag=True, help="Remove only the additional epochs; the best one stays.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def rm(name: str, epochs: bool, yes: bool) -> None:
    """Remove the model NAME (a name or a folder) and all files in its folder, after asking.

    Models shipped with facecli cannot be removed.

    \b
    Examples:
      facecli models rm my_model
      facecli models rm my_model --epochs
    """
    from facecli.models.registry import check_removable, kept_epochs, remove, remove_epochs

    entry = _to_remove(name)
    check_removable(entry)
    what = f"{entry.folder} ({size_text(entry.size_bytes)})"
    if epochs:
        kept = kept_epochs(entry.folder)
        if not kept:
            say(f"{entry.folder} has no additional epochs; nothing to remove")
            return
        size = size_text(sum(one.size_bytes for one in kept))
        counted = "1 epoch" if len(kept) == 1 else f"{len(kept)} epochs"
        what = f"{counted} of {entry.folder} ({size})"
    if not yes and not _confirmed(what):
        raise FacecliError(f"{what if epochs else entry.folder} was not removed")
    if epochs:
        remove_epochs(entry.folder)
    else:
        remove(entry)
    show_text(f"removed {what}")


def _to_remove(name: str) -> "Entry":
    """The model, or InputError: who removes by name has named something wrong."""
    from facecli.models.registry import find_entry

    try:
        return find_entry(name)
    except CheckpointError as error:
        raise InputError(
            f"'{name}' is not a model folder; 'facecli models list' says which models are here"
        ) from error


def _confirmed(what: str) -> bool:
    try:
        return click.confirm(f"Remove {what}?", err=True)
    except click.Abort:
        if sys.stdin is not None and sys.stdin.isatty():
            raise
        raise InputError(
            "cannot ask for confirmation: no terminal; add --yes to remove it without being asked"
        ) from None


_PUBLISHED = click.Choice(["facenet", "mobilenet", "yunet"])


@click.group()
def weights() -> None:
    """Download, list and verify published weights (FaceNet, YuNet).

    \b
    Examples:
      facecli weights list
      facecli weights get yunet
    """


@weights.command()
@click.argument("name", type=_PUBLISHED)
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="Install this file instead of downloading it; it must pass the same checks.",
)
@click.option("--url", help="Download from this address instead of the known ones.")
def get(name: str, source: Path | None, url: str | None) -> None:
    """Download the weights NAME, verify them, and install them for facecli.

    If a download is interrupted, the same command continues it.

    \b
    Examples:
      facecli weights get yunet
      facecli weights get facenet --from vggface2.pt
    """
    from facecli.models.weights import fetch, install

    if source and url:
        raise InputError("--from and --url exclude each other; give one of them")
    if source:
        show_text(str(install(name, source)))
        return
    with download_bar(name) as on_progress:
        path = fetch(name, url, on_progress)
    show_text(str(path))


@weights.command(name="list")
def list_weights() -> None:
    """List the known weights and those installed on this machine.

    \b
    Examples:
      facecli weights list
    """
    from facecli.models.weights import WEIGHTS, installed

    for known in WEIGHTS.values():
        here = [path.name for _, path in installed(known.name)]
        show_text(f"{known.name:<9} {', '.join(here) or 'not here'}")
        show_text(f"{'':<9} {known.about}")
        show_text(f"{'':<9} {known.licence}")
    show_text(f"folder    {paths.weights_dir()}")


@weights.command(name="verify")
@click.argument("name", type=_PUBLISHED, required=False)
def verify_weights(name: str | None) -> None:
    """Verify the installed weights (or only NAME) against the published digests.

    \b
    Examples:
      facecli weights verify
      facecli weights verify yunet
    """
    from facecli.models.weights import WEIGHTS, check, installed

    names = [name] if name else list(WEIGHTS)
    found = [entry for known in names for entry in installed(known)]
    if not found:
        raise WeightsError(
            f"no weights of {' or '.join(names)} in {paths.weights_dir()}; "
            "fetch them with 'facecli weights get'"
        )
    failures = []
    for file, path in found:
        try:
            check(file, path)
        except WeightsError as error:
            failures.append(error)
            show_text(f"WRONG {path}")
        else:
            show_text(f"ok    {path}")
    if failures:
        raise failures[0]
