"""--quiet, --verbose and --log-json, before the command's name and after it."""

import json
import logging
import re
import shlex

import click
import pytest

from facecli.cli import app
from facecli.cli.output import complain, say, warn, with_output_options
from facecli.core.console import OUTPUT_POLICY, bars_wanted, stderr_console, tables_wanted
from facecli.core.errors import InputError


@pytest.fixture
def talk(monkeypatch):
    """Makes `facecli talk` a command that says something of every kind, then fails."""

    @click.command()
    def talk():
        say("news")
        warn("odd")
        complain("a.jpg: broken")
        logging.getLogger("facecli.x").info("log")
        raise InputError("no\nway")

    monkeypatch.setattr(app.LazyGroup, "get_command", lambda *_: with_output_options(talk))


@pytest.mark.usefixtures("talk")
@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["talk"], ["news", "Warning: odd", "a.jpg: broken", "Error: no way"]),
        (["-q", "talk"], ["a.jpg: broken", "Error: no way"]),
        (["talk", "--quiet"], ["a.jpg: broken", "Error: no way"]),
    ],
)
def test_quiet_is_errors_only(capsys, arguments, lines):
    assert app.main(arguments) == 2
    out, said = capsys.readouterr()
    assert (out, said.splitlines()) == ("", lines)


@pytest.mark.usefixtures("talk")
@pytest.mark.parametrize("arguments", [["talk", "--log-json"], ["--log-json", "talk"]])
def test_log_json_is_an_object_a_line(capsys, arguments):
    assert app.main(arguments) == 2
    found = [json.loads(text) for text in capsys.readouterr().err.splitlines()]
    assert [(row["level"], row["message"]) for row in found] == [
        ("info", "news"), ("warning", "odd"), ("error", "a.jpg: broken"), ("error", "no way"),
    ]  # fmt: skip
    assert found[-1]["exit_code"] == 2 and all("T" in row["time"] for row in found)


@pytest.mark.parametrize(
    "arguments", [["nonsense", "--log-json"], ["run", "--nope", "--log-json"], ["--log-json", "--x"]]
)
def test_wrong_arguments_are_json_too(capsys, arguments):
    assert app.main(arguments) == 2
    (row,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (row["level"], row["exit_code"]) == ("error", 2)


@pytest.mark.usefixtures("talk")
@pytest.mark.parametrize(
    ("arguments", "level"),
    [([], logging.WARNING), (["-v"], logging.INFO), (["-vv"], logging.DEBUG), (["-q"], logging.ERROR)],
)
def test_verbose_before_or_after_the_command(capsys, arguments, level):
    for line in ([*arguments, "talk"], ["talk", *arguments]):
        app.main(line)
        assert logging.getLogger("facecli").level == level


def test_the_next_command_line_begins_anew(capsys):
    app.main(["--quiet", "--log-json", "completion", "bash"])
    assert OUTPUT_POLICY.quiet and OUTPUT_POLICY.log_json
    app.main(["completion", "bash"])
    assert not (OUTPUT_POLICY.quiet or OUTPUT_POLICY.log_json)


def every_command(group, path=()):
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))


COMMANDS = dict(every_command(app.cli))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_the_manners(path):
    known = {option for param in COMMANDS[path].params for option in param.opts}
    assert {"--quiet", "--verbose", "--log-json"} <= known


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_shows_examples_that_parse(path, capsys):
    assert app.main([*path, "--help"]) == 0
    shown = [text.strip() for text in capsys.readouterr().out.splitlines()]
    examples = [text for text in shown if text.startswith(f"facecli {' '.join(path)}")]
    assert examples and "Examples:" in shown
    for example in examples:
        text = re.split(r"  +| > | \| ", example)[0]
        command, words = app.cli, shlex.split(text)[1:]
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            name, command, words = command.resolve_command(click.Context(command), words)
        command.make_context(name, words)


@pytest.mark.parametrize(
    ("variable", "wanted"), [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": ""}, False)]
)
def test_force_color_is_a_terminal_for_tables(monkeypatch, variable, wanted):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    assert tables_wanted() == wanted


def test_no_color_leaves_tables_without_colours(monkeypatch, capsys):
    from facecli.cli.output import show_table

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    show_table([("a", "b"), ("[bold]1", "2")])
    out = capsys.readouterr().out
    assert "[bold]1" in out and not any(f"\x1b[{code}m" in out for code in range(30, 38))


def test_no_bars_when_quiet_or_piped(monkeypatch):
    assert not bars_wanted()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert bars_wanted()
    for name in ("quiet", "log_json"):
        monkeypatch.setattr(OUTPUT_POLICY, name, True)
        assert not bars_wanted() and stderr_console().quiet
        monkeypatch.setattr(OUTPUT_POLICY, name, False)
