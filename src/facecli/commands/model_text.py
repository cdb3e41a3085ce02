"""Models in words, for `facecli models`."""

from collections.abc import Iterator, Sequence

import click

from facecli.console import tables_wanted
from facecli.faces import FACE_HEADS, NAMED_HEADS

_HEADER = ("model", "heads", "size", "age", *NAMED_HEADS, "note")
_WRAPPED = ("heads", "note")


def list_rows(entries: Sequence) -> list[tuple[str, ...]]:
    """The header, then a row for each `models.catalogue.Entry`; blank is what is not known."""
    return [_HEADER, *(_row(entry) for entry in entries)]


def _row(entry) -> tuple[str, ...]:
    sound = entry.problem is None
    notes = ["shipped"] if entry.shipped else []
    if not entry.runs:
        notes.append(entry.problem or "to train from, not to run")
    return (
        entry.name,
        " ".join(entry.config["heads"]) if sound else "",
        size_text(entry.size_bytes),
        _number(entry.metrics, "age", "mae", "{:.2f}"),
        *(_number(entry.metrics, head, "accuracy", "{:.1%}") for head in NAMED_HEADS),
        "; ".join(notes),
    )


def _number(metrics: dict, head: str, measure: str, form: str) -> str:
    value = _part(metrics, head).get(measure)
    return form.format(value) if isinstance(value, int | float) else ""


def show_table(rows: Sequence[Sequence[str]]) -> None:
    """Prints rows to standard output: with rich on a terminal, plain when piped."""
    header, *body = rows
    if not tables_wanted():
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            click.echo("  ".join(cells).rstrip())
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
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def describe_lines(entry) -> Iterator[str]:
    """A model's facts, one a line: name, two spaces, value."""
    facts: dict[str, object] = {
        "model": entry.name,
        "folder": entry.folder,
        "from": "came with facecli" if entry.shipped else "your own",
        "size": size_text(entry.size_bytes),
    }
    if entry.problem is None:
        facts |= dict(_configured(entry.config))
    facts |= dict(_measured(entry.metrics))
    width = max(map(len, facts))
    for name, value in facts.items():
        yield f"{name:<{width}}  {value}".rstrip()


def _configured(config: dict) -> Iterator[tuple[str, object]]:
    yield (
        "kind",
        " ".join(dict.fromkeys(str(config[key]) for key in ("model_type", "backbone") if key in config)),
    )
    labels = _part(config, "labels")
    for head in config["heads"]:
        names = [str(name) for name in labels.get(head) or ()]
        yield f"head {head}", " ".join(names) if len(names) < 20 else f"{names[0]} to {names[-1]} years"
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
    yield "calibrated", "yes" if "calibration" in config else "no"
    yield from _terms(config)
    for file, digest in _part(config, "sha256").items():
        yield f"sha256 of {file}", digest


def _terms(config: dict) -> Iterator[tuple[str, object]]:
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


def _measured(metrics: dict) -> Iterator[tuple[str, str]]:
    if not metrics:
        yield "measured", "nothing yet; 'facecli evaluate' does it"
        return
    yield "measured on", f"{metrics.get('count', '?')} faces of the {metrics.get('split', '?')} split"
    if age := _number(metrics, "age", "mae", "{:.2f} years"):
        yield "age error", age + _interval(_part(metrics, "age").get("mae_ci95"), "{:.2f}")
    for head in FACE_HEADS:
        if right := _number(metrics, head, "accuracy", "{:.1%}"):
            yield f"{head} right", right + _interval(_part(metrics, head).get("accuracy_ci95"), "{:.1%}")


def _part(value: dict, key: str) -> dict:
    """What lies under the key when that is an object: files may say anything."""
    part = value.get(key)
    return part if isinstance(part, dict) else {}


def _interval(bounds: object, form: str) -> str:
    if not isinstance(bounds, list) or not all(isinstance(bound, int | float) for bound in bounds):
        return ""
    return f" (95 % interval {' to '.join(form.format(bound) for bound in bounds)})"


def json_entry(entry, whole: bool = False) -> dict:
    """A model as plain JSON; `whole` adds all that its `config.json` and `metrics.json` say."""
    from facecli.models.terms import terms_of

    sound = entry.problem is None
    about = {
        "name": entry.name,
        "folder": str(entry.folder),
        "shipped": entry.shipped,
        "runs": entry.runs,
        "problem": entry.problem,
        "heads": entry.config["heads"] if sound else [],
        "size_bytes": entry.size_bytes,
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
