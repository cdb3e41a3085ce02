"""The reference, made from what the code itself says: commands' help, registries and docstrings."""

import dataclasses
import inspect
import json
import re
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import griffe

import facecli
from facecli.cli import app
from facecli.core.paths import SHIPPED_MODELS
from facecli.detect.registry import DETECTORS, DetectorEntry
from facecli.models.terms import Terms, terms_of

ROOT = Path(__file__).resolve().parents[2]
_SHARED = ("--quiet", "--verbose", "--log-json", "--help")
"""Options that every command has, told once."""
_TITLES = {
    griffe.DocstringSectionKind.parameters: "Arguments",
    griffe.DocstringSectionKind.attributes: "Attributes",
    griffe.DocstringSectionKind.returns: "Returns",
    griffe.DocstringSectionKind.yields: "Yields",
    griffe.DocstringSectionKind.raises: "Raises",
}
Row = Sequence[str]


def write(docs: Path) -> list[str]:
    """Writes all pages into docs/reference of a site, and of what there is into its reference.md.

    Returns the names of the commands that have a page.
    """
    commands = dict(_commands(_group(), "facecli"))
    folder = docs / "reference"
    (folder / "commands").mkdir(parents=True, exist_ok=True)
    for name, command in commands.items():
        path = folder / "commands" / f"{name.replace(' ', '_')}.md"
        path.write_text(command_page(name, command), encoding="utf-8")
    pages = {
        "models": models_page(),
        "detectors": detectors_page(),
        "python": python_page(),
        "measurements": measurements_page(),
    }
    written = (docs / "reference.md").read_text(encoding="utf-8")
    (docs / "reference.md").write_text(f"{written}\n{overview(commands)}", encoding="utf-8")
    for page, text in pages.items():
        (folder / f"{page}.md").write_text(text, encoding="utf-8")
    return list(commands)


def table(head: Row, rows: Sequence[Row]) -> str:
    """A table of Markdown; lines and bars inside cells cannot end them."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in lines)


def _cell(text: str) -> str:
    # Bars inside code end no cell.
    return re.sub(r"(`[^`]*`)|\|", lambda found: found[1] or "\\|", " ".join(text.split()))


def _plain(text: str) -> str:
    """Text in which nothing is Markdown."""
    for sign in "\\`*_<[":
        text = text.replace(sign, f"\\{sign}" if sign != "<" else "&lt;")
    return text


def _group() -> click.Group:
    return next(value for value in vars(app).values() if isinstance(value, app.LazyGroup))


def _commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=prefix)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        whole = f"{prefix} {name}"
        yield whole, command
        if isinstance(command, click.Group):
            yield from _commands(command, whole)


def command_page(name: str, command: click.Command) -> str:
    """What `--help` says, options as a table."""
    context = click.Context(command, info_name=name, max_content_width=100)
    formatter = context.make_formatter()
    command.format_usage(context, formatter)
    parts = [f"# `{name}`", f"```text\n{formatter.getvalue().strip()}\n```", _help_text(command.help or "")]
    records = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and not set(parameter.opts) & set(_SHARED)
        if (record := parameter.get_help_record(context)) is not None
    ]
    if records:
        rows = [(f"`{option}`", _plain(about)) for option, about in records]
        parts += ["## Options", table(("option", "meaning"), rows)]
    parts.append("`--quiet`, `--verbose`, `--log-json` and `--help` are options of every command.")
    if isinstance(command, click.Group):
        inner = [f"* [`{one}`]({one.replace(' ', '_')}.md)" for one, _ in _commands(command, name)]
        parts += ["## Commands below it", "\n".join(inner)]
    return "\n\n".join(parts) + "\n"


def _help_text(text: str) -> str:
    """Paragraphs of a command's help; what is marked not to be wrapped is shown as it stands."""
    shown = []
    for paragraph in inspect.cleandoc(text).split("\n\n") if text else []:
        if paragraph.startswith("\b"):
            shown.append("```text\n" + paragraph.removeprefix("\b").strip("\n") + "\n```")
        else:
            shown.append(_plain(paragraph))
    return "\n\n".join(shown)


def overview(commands: dict[str, click.Command]) -> str:
    rows = [
        (f"[`{name}`](reference/commands/{name.replace(' ', '_')}.md)", command.get_short_help_str(200))
        for name, command in commands.items()
    ]
    return f"""## Made from facecli {facecli.__version__}

[Models](reference/models.md), [detectors](reference/detectors.md), the [Python
interface](reference/python.md), all [measurements](reference/measurements.md), and each command:

{table(("command", "what it does"), rows)}
"""


def models_page() -> str:
    parts = [
        "# Models that ship",
        "From each folder's `config.json`; `facecli models show NAME` prints the same. What was measured of "
        "them is in the [model card](../model_card.md).",
    ]
    for name in SHIPPED_MODELS:
        parts += _model(name, json.loads((ROOT / "saved_model" / name / "config.json").read_text("utf-8")))
    return "\n\n".join(parts) + "\n"


def _model(name: str, config: dict[str, Any]) -> list[str]:
    rows = [("type", f"`{config['model_type']}`")]
    if "heads" in config:
        labels = {head: ", ".join(names) for head, names in config["labels"].items() if head != "age"}
        rows += [("answers", ", ".join(f"`{head}`" for head in config["heads"]))]
        rows += [(f"classes of `{head}`", names.replace("_", " ")) for head, names in labels.items()]
    if "image_size" in config:
        rows.append(("sees", "{} x {} pixels".format(*config["image_size"])))
    if "parameters" in config:
        rows.append(("parameters", f"{config['parameters']:,}"))
    size = (ROOT / "saved_model" / name / "model.tflite").stat().st_size
    rows += [("size of the network", f"{size / 1e6:.1f} MB"), *_terms(terms_of(config))]
    return [f"## `{name}`", table(("what", "is"), rows)]


def _terms(terms: Terms) -> list[Row]:
    sources = "; ".join(
        f"{f'[{one.name}]({one.url})' if one.url else one.name} ({one.terms})" for one in terms.sources
    )
    rows = [("licence", terms.licence), ("may be used for", terms.may_be_used_for)]
    return [*rows, ("learnt from", sources)] if sources else rows


def detectors_page() -> str:
    parts = [
        "# Detectors",
        "`--detector NAME` chooses one, `--detector-option NAME=VALUE` sets an option of it. Other packages "
        "may [bring more](../CONTRIBUTING.md#add-a-detector).",
    ]
    for name in DETECTORS.built_in_names():
        parts += _detector(name, DETECTORS.find(name))
    return "\n\n".join(parts) + "\n"


def _detector(name: str, entry: DetectorEntry) -> list[str]:
    told = griffe.Docstring(entry.options.__doc__ or "", parser="google").parse()
    about = {
        item.name: item.description
        for section in told
        if section.kind is griffe.DocstringSectionKind.attributes
        for item in section.value
    }
    kinds = typing.get_type_hints(entry.options)
    options = [
        (f"`{one.name}`", f"`{_type_name(kinds[one.name])}`", f"`{one.default}`", about.get(one.name, ""))
        for one in dataclasses.fields(entry.options)
    ]
    parts = [f"## `{name}`", table(("what", "is"), _terms(entry.terms))]
    return [*parts, table(("option", "type", "default", "meaning"), options)] if options else parts


def _type_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("pathlib.", "")


def python_page() -> str:
    """Every public name of the package, by its docstring."""
    package = griffe.load("facecli", search_paths=[ROOT / "src"], docstring_parser="google")
    parts = [
        "# Python interface",
        "Everything that `from facecli import ...` gives; [from Python](../python.md) shows how it is used.",
    ]
    for name in facecli.__all__:
        if name.startswith("__"):
            continue
        module = facecli._MODULES.get(name, "facecli.core.errors").removeprefix("facecli.")
        path = name if name in package.modules else f"{module}.{name}"
        parts += _described(package[path], name, 2)
    return "\n\n".join(parts) + "\n"


def _described(member: griffe.Object | griffe.Alias, name: str, level: int) -> list[str]:
    call = member
    if member.is_class and "__init__" in member.members:
        call = member["__init__"]
    signature = (
        "" if member.is_module or not call.is_function else f"```python\n{_signature(call, name)}\n```"
    )
    parts = [f"{'#' * level} `{name}`", signature, *_docstring(member)]
    if member.is_class and "__init__" in member.members:
        parts += _docstring(member["__init__"])
    if member.is_class or member.is_module:
        own = {inner: one for inner, one in member.members.items() if not (inner[0] == "_" or one.is_alias)}
        for inner, one in own.items():
            if one.docstring is not None and (one.is_function or one.is_class):
                parts += _described(one, f"{name}.{inner}", level + 1)
    return [part for part in parts if part]


def _signature(function: griffe.Object | griffe.Alias, name: str) -> str:
    """As it is called, an argument a line where there are many."""
    given = [one for one in function.parameters if one.name not in ("self", "cls")]
    arguments = [str(one) for one in given]
    returns = f" -> {function.returns}" if function.returns and function.name != "__init__" else ""
    line = f"{name}({', '.join(arguments)}){returns}"
    if len(line) <= 80:
        return line
    inside = "".join(f"    {one},\n" for one in arguments)
    return f"{name}(\n{inside}){returns}"


def _docstring(member: griffe.Object | griffe.Alias) -> list[str]:
    if member.docstring is None:
        return []
    shown = []
    for section in member.docstring.parse("google"):
        if section.kind is griffe.DocstringSectionKind.text:
            shown.append(section.value)
        elif section.kind in _TITLES:
            shown.append(f"*{_TITLES[section.kind]}*\n\n{_items(section)}")
    return shown


def _items(section: griffe.DocstringSection) -> str:
    lines = []
    for item in section.value:
        title = getattr(item, "name", "") or str(item.annotation or "")
        about = " ".join(item.description.split())
        lines.append(f"* `{title}`: {about}" if title else f"* {about}")
    return "\n".join(lines)


def measurements_page() -> str:
    """The tables of benchmarks/, by their titles."""
    rows = []
    for page in sorted((ROOT / "benchmarks").glob("*.md")):
        script = page.with_suffix(".py")
        named = f"`benchmarks/{script.name}`" if script.is_file() else ""
        rows.append((f"[{_plain(_title(page))}](../benchmarks/{page.name})", named))
    return (
        "# Measurements\n\nEvery table of figures, with its conditions and the script that makes it anew. "
        "All models on all sets: [scoreboard](../statistics/scoreboard.md).\n\n"
        f"{table(('table', 'script'), rows)}\n"
    )


def _title(page: Path) -> str:
    first = page.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("# ").strip() if first.startswith("# ") else page.stem
