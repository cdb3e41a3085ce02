"""Options that every command has: how it speaks on standard error, and what its words complete to."""

from functools import partial

import click
from click.shell_completion import CompletionItem

from facecli.commands.messages import behave

_KEY = "facecli.manners"
_PATHS = {"FILE": "file", "PATH": "file", "DIR": "dir", "FOLDER": "dir", "ROWS...": "file", "SOURCE": "file"}
"""What an option's value is called -> what the shell completes it to."""


class PathText(click.types.StringParamType):
    """Text that names a file or a folder: nothing is checked, but the shell completes it."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type=self._kind)]


def with_manners(command: click.Command) -> click.Command:
    """The command, and all below it, with --quiet, --verbose and --log-json, whoever asks first."""
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    if "--log-json" in known:
        return command
    for option in _options():
        if known.isdisjoint(option.opts):
            command.params.append(option)
    for param in command.params:
        kind = _PATHS.get((param.metavar or "").strip("[]"))
        if kind is not None and type(param.type) is click.types.StringParamType:
            param.type = PathText(kind)
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_manners(inner)
    return command


def _options() -> list[click.Option]:
    option = partial(click.Option, expose_value=False, callback=_take)
    return [
        option(["-q", "--quiet"], is_flag=True, help="Errors only on standard error: no news, no bar."),
        option(["-v", "--verbose"], count=True, help="Say more; -vv also shows tracebacks."),
        option(["--log-json"], is_flag=True, help="What is said there as JSON, an object a line."),
    ]


def _take(ctx: click.Context, param: click.Parameter, value: int | bool) -> None:
    """Remembers what was asked for, before the command's name or after it."""
    if not value:
        return
    asked = ctx.find_root().meta.setdefault(_KEY, {"quiet": False, "verbose": 0, "log_json": False})
    asked[param.name] = value
    behave(**asked)
