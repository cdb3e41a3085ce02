"""The door: finds the command, completes its words, turns every known error into a line and an exit code."""

import contextlib
import importlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import click

from facecli import __version__
from facecli.cli.output import configure_output, report_error, report_usage, with_output_options
from facecli.core.console import OUTPUT_POLICY, is_terminal, redacted
from facecli.core.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_UNREAD, FacecliError

SHELLS = ("bash", "zsh", "fish")
_PLACES = {
    "bash": """\
Add this line to ~/.bashrc, then open a new shell (bash 4.4 or newer):

  eval "$(facecli completion bash)"

Or, where the package bash-completion is installed, write the script once:

  mkdir -p ~/.local/share/bash-completion/completions
  facecli completion bash > ~/.local/share/bash-completion/completions/facecli""",
    "zsh": """\
Add this line to ~/.zshrc, below "autoload -Uz compinit && compinit", then open a new shell:

  eval "$(facecli completion zsh)"

Or write the script once into a folder of $fpath, under the name _facecli:

  facecli completion zsh > "${fpath[1]}/_facecli\"""",
    "fish": """\
Write the script once; fish finds it there by itself:

  mkdir -p ~/.config/fish/completions
  facecli completion fish > ~/.config/fish/completions/facecli.fish""",
}
"""Where each shell looks for it."""

log: logging.Logger = logging.getLogger(__name__)

COMMANDS = {
    "run": ("facecli.cli.run:run", "Analyse faces in pictures, clips, streams or a webcam."),
    "serve": ("facecli.cli.serve:serve", "Start the web page, REST API and live mode."),
    "manifest": ("facecli.cli.manifest:manifest", "Write a manifest of pictures, for runs on many machines."),
    "merge": ("facecli.cli.manifest:merge", "Join the rows of many machines; check that none is missing."),
    "summarize": ("facecli.cli.summarize:summarize", "Count the people in rows of 'run': ages, shares."),
    "search": ("facecli.cli.search:search", "Find faces in rows by gender, age, race or emotion."),
    "rows": ("facecli.cli.summarize:rows", "Convert rows of older versions to the current format."),
    "explain": ("facecli.cli.explain:explain", "Draw heat maps of what each prediction depends on."),
    "benchmark": ("facecli.cli.benchmark:benchmark", "Measure the speed on this machine."),
    "train": ("facecli.cli.train:train", "Train a model on labelled faces."),
    "evaluate": ("facecli.cli.evaluate:evaluate", "Evaluate a saved model; write tables and plots."),
    "calibrate": ("facecli.cli.export:calibrate", "Calibrate the probabilities of a saved model."),
    "distil": ("facecli.cli.train:distil", "Train the compact backbone to reproduce FaceNet."),
    "export": ("facecli.cli.export:export", "Write a saved model as LiteRT, ONNX or SavedModel."),
    "data": ("facecli.cli.data:data", "Download and check data sets."),
    "models": ("facecli.cli.models:models", "List, show, verify and remove saved models."),
    "weights": ("facecli.cli.models:weights", "Download, list and verify published weights."),
    "completion": ("facecli.cli.app:completion", "Complete commands in bash, zsh and fish."),
}
"""Name -> (module:attribute, one line of help). Only the chosen command's module is imported."""

_QUIET = {
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "QT_LOGGING_RULES": "*.debug=false;*.warning=false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
"""Native libraries report what the one-line messages already say; read when they are loaded."""

_TRAIN = ("tensorflow", "keras", "pandas", "sklearn", "scipy", "h5py")
_WEB = ("fastapi", "starlette", "uvicorn", "python_multipart", "prometheus_client", "jinja2", "websockets")
_EXTRAS = dict.fromkeys(_TRAIN, "train") | dict.fromkeys(_WEB, "web") | {"matplotlib": "plot", "paho": "mqtt"}
"""What `facecli run` does without, by import name -> the extra that brings it."""

_OF_MEMORY = (
    "failed to map segment",
    "cannot allocate memory",
    "can't start new thread",
    "insufficient memory",
    "bad_alloc",
)

_MAY_HANG = ("capture", "analysis", "pictures", "web-worker", "notify")
"""Names of threads, up to "_", that streams, downloads, servers and targets leave behind when they hang."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print the completion script of a shell; without one, say where to put it.

    \b
    Examples:
      facecli completion                     (how to install it in your shell)
      facecli completion bash
      eval "$(facecli completion zsh)"       (in ~/.zshrc)
      facecli completion fish > ~/.config/fish/completions/facecli.fish
    """
    if shell is None:
        click.echo(how_to_complete())
        return
    click.echo(script(shell), nl=False)
    if is_terminal(sys.stdout):
        click.echo(f"\n# {_PLACES[shell]}".replace("\n", "\n# "), err=True)


def script(shell: str) -> str:
    """The text that the shell reads. `shell` is one of SHELLS."""
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    complete = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    whole = click.get_current_context().find_root().command
    return complete(whole, {}, "facecli", "_FACECLI_COMPLETE").source()


def how_to_complete() -> str:
    """For the shell that SHELL names, or for all."""
    own = os.path.basename(os.environ.get("SHELL", ""))
    shells = (own,) if own in SHELLS else SHELLS
    return "\n\n".join(f"# {shell}\n{_PLACES[shell]}" for shell in shells)


def explain_installation(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Callback of --install-completion: says where to put what, and ends."""
    if value and not ctx.resilient_parsing:
        click.echo(how_to_complete())
        ctx.exit()


class _UnreadError(Exception):
    """Nobody reads standard output any more, as in `facecli ... | head`: click would make a failure of it."""


@contextlib.contextmanager
def _noticing_unread() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _UnreadError from error


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        with _noticing_unread():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        with _noticing_unread():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; says what may have been meant by what is no command."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(f"{error.message}{_meant(args[0])}", error.ctx) from error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        return with_output_options(getattr(importlib.import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


def _meant(word: str) -> str:
    """A sentence about what is no command: the nearest one, or how to analyse the file of that name."""
    import difflib

    if near := difflib.get_close_matches(word, COMMANDS, 1):
        return f" Did you mean '{near[0]}'?"
    if os.path.exists(word):
        import shlex

        return f" To analyse it: facecli run {shlex.quote(word)}"
    return ""


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="facecli")
@click.option(
    "--install-completion",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=explain_installation,
    help="Explain how to set up completion with the Tab key, and exit.",
)
def cli() -> None:
    """Estimate the age, gender, race and emotion of every face, on your own machine.

    \b
    Examples:
      facecli run --img photo.jpg
      facecli run --img photos/ --json rows.jsonl
      facecli run --video
      facecli summarize rows.jsonl
      facecli search rows.jsonl --emotion happy --age 20-30
    """


with_output_options(cli)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code (see `errors`).

    Args:
        arguments: without the program's name; None takes those of the process, which may then
            end here.
    """
    code = _run(arguments)
    if arguments is None and any(_may_hang(thread) for thread in threading.enumerate()):
        # A camera or network driver that does not return; Python's own way out would abort in it.
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return code


def _may_hang(thread: threading.Thread) -> bool:
    return thread.name.partition("_")[0] in _MAY_HANG


def _run(arguments: Sequence[str] | None) -> int:
    if arguments is None:
        from facecli.core.process import reserve_standard_streams, silence_libraries

        reserve_standard_streams()
        if not {"-vv", "-vvv"} & set(sys.argv):
            silence_libraries()
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    # Also for what is wrong before any option is read.
    configure_output(log_json="--log-json" in (sys.argv[1:] if arguments is None else arguments))
    try:
        code = cli.main(args=arguments, prog_name="facecli", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else EXIT_FAILED
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except _UnreadError:
        if arguments is None and sys.stdout is not None:
            # Nor is anything left for Python to write when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNREAD
    except Exception as error:
        told = _tell(error)
        if told is None:
            raise
        return told


def _tell(error: Exception) -> int | None:
    """Says what went wrong; gives the exit code, or None for a bug."""
    if isinstance(error, click.ClickException):
        return _show(error)
    if isinstance(error, FacecliError):
        return _report(error.with_hint, error.exit_code)
    message = _remedy(error)
    return None if message is None else _report(message, EXIT_FAILED)


def _remedy(error: Exception) -> str | None:
    """What is said of an error that is not our own; None for a bug."""
    top = (getattr(error, "name", None) or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and (extra := _EXTRAS.get(top)):
        from facecli.core.paths import how_to_install

        missing = f"this command needs packages that are not here ({error.name})"
        return f"{missing}: {how_to_install(extra)}"
    if isinstance(error, MemoryError) or _is_of_memory(error):
        return "not enough memory; try smaller pictures or a smaller --batch-size"
    if isinstance(error, OSError):
        return f"{_place_of(error)}{error.strerror or error}"
    return None


def _is_of_memory(error: Exception) -> bool:
    """Is it how libraries, and Python's threads, say that there is no memory (`ulimit -v`, a container)?"""
    return any(words in str(error).lower() for words in _OF_MEMORY)


def _place_of(error: OSError) -> str:
    """What an error of the system is about, as far as that can be known, and a colon."""
    if error.filename:
        return f"{redacted(str(error.filename))}: "
    codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    return "standard output: " if click.echo.__code__ in codes else ""


def _show(error: click.ClickException) -> int:
    """Click's own errors, with the usage; an object of the log when that was asked for."""
    if OUTPUT_POLICY.log_json:
        return _report(error.format_message(), error.exit_code)
    report_usage(error)
    return error.exit_code


def _report(message: str, code: int) -> int:
    report_error(message, code)
    log.debug("traceback", exc_info=True)
    return code
