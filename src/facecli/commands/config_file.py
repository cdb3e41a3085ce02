"""`--config FILE`: a command's options from a TOML file; what is typed beside it wins."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_NOT_IN_A_FILE = ("config", "help", "resume", "dry_run")


def config_option(command: Callable) -> Callable:
    """Decorator that adds `--config`.

    Keys are the long names of the command's options without dashes in front (`image-size = 64`). An
    option that may recur takes a list, NAME=VALUE options a table (`share = { fairface = 0.4 }`),
    comma-separated ones a list too.
    """
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=_read,
        help="TOML file of options, such as those of docs/recipes; options that are typed win.",
    )(command)


def _read(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    values = _read_toml(path)
    options = {_file_name(option): option for option in context.command.params if _allowed(option)}
    if unknown := [key for key in values if key not in options]:
        known = ", ".join(sorted(options))
        raise click.BadParameter(f"{path}: no option is called {', '.join(unknown)}; there are {known}")
    read = {}
    for key, value in values.items():
        read[options[key].name] = _as_typed(options[key], value, f"{path}: {key}")
    context.default_map = {**(context.default_map or {}), **read}


def _read_toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path} is no TOML file: {error}") from error


def _allowed(option: click.Parameter) -> bool:
    return isinstance(option, click.Option) and option.name not in _NOT_IN_A_FILE


def _file_name(option: click.Parameter) -> str:
    return max(option.opts, key=len).lstrip("-")


def _as_typed(option: click.Parameter, value: Any, where: str) -> Any:
    """A value of the file as it would be typed: text, a number, or a list of texts."""
    if isinstance(value, dict):
        value = [f"{key}={inner}" for key, inner in value.items()]
    if isinstance(value, list):
        if any(isinstance(inner, dict | list) for inner in value):
            raise click.BadParameter(f"{where} holds a list in a list")
        texts = [str(inner) for inner in value]
        return texts if option.multiple else ",".join(texts)
    return [str(value)] if option.multiple else value
