"""--quiet, --verbose and --log-json, before the command's name and after it."""

import contextlib
import io
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import unicodedata

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facecli.cli import app, output
from facecli.cli.output import complain, say, show_table, show_text, warn, with_output_options
from facecli.core.console import (
    OUTPUT_POLICY,
    bars_wanted,
    printable,
    stderr_console,
    tables_wanted,
    with_bar,
)
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


_OBEYED = "a\u00fc\n\r\t\0\x1b[\x7f\x9b\u202e\u2066\u2028\u200b\udcff\ud800\u00a0 [bold]%{}\\"
NAMES = st.text(max_size=12) | st.text(alphabet=st.sampled_from(_OBEYED), max_size=12)
"""Of files, addresses and models: anything, and oftener what terminals obey."""


def is_harmless(text):
    return all(one.isprintable() or unicodedata.category(one) == "Zs" for one in text)


@given(NAMES)
def test_what_is_printed_is_harmless_and_letters_stay(name):
    shown = printable(name)
    assert is_harmless(shown) and printable(shown) == shown
    assert shown == name or not is_harmless(name)
    shown.encode()


@given(name=NAMES, arguments=st.sampled_from([["talk"], ["-vv", "talk"], ["--log-json", "-vv", "talk"]]))
def test_whatever_is_said_is_a_line_of_its_own_that_no_terminal_obeys(name, arguments):
    @click.command()
    def talk():
        say(name)
        warn(name)
        complain(name)
        logging.getLogger("facecli.x").debug("of %s", name)
        show_text(name)
        show_table([("a", "b"), (name, "2")])
        raise InputError(f"no {name}")

    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(app.LazyGroup, "get_command", lambda *_: with_output_options(talk))
        # Under pytest the root logger has handlers of pytest, which stay.
        logging.getLogger("facecli").addHandler(handler := output._Handler())
        try:
            assert app.main(arguments) == 2
        finally:
            logging.getLogger("facecli").removeHandler(handler)
    shown, said = out.getvalue().split("\n"), err.getvalue().split("\n")
    assert all(map(is_harmless, [*shown, *said])) and len(shown) == 4
    # The traceback of -vv comes last, on lines of its own.
    assert len(said) == 5 if "-vv" not in arguments else len(said) >= 6
    if "--log-json" in arguments:
        assert all(is_harmless(json.loads(line)["message"]) for line in said[:-1])


@given(NAMES)
def test_wrong_arguments_are_shown_without_harm(name):
    for arguments in (["run", f"--{name}"], ["run", "--detector", name, "--img", "x"], [f"x{name}"]):
        err = io.StringIO()
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            app.main(arguments)
        assert all(map(is_harmless, err.getvalue().split("\n")))


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


@pytest.mark.skipif(os.name != "posix", reason="signals are others there")
@pytest.mark.parametrize("delay_s", [0.1, 0.2, 0.3, 0.5])
def test_ctrl_c_is_silent_while_the_command_is_imported(delay_s):
    """Whenever it comes: before the command line can be read, or after its end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "facecli", "models", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    # Python's own start, up to the first line of ours, is not ours.
    assert os.path.join("facecli", "cli") not in said and process.returncode in (0, 1, 130, -signal.SIGINT)


def test_what_libraries_think_of_a_picture_is_not_said(tmp_path):
    """libpng writes "iCCP: too short" to standard error itself."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, "PNG", icc_profile=b"short")
    (tmp_path / "odd.png").write_bytes(buffer.getvalue())
    command = [sys.executable, "-m", "facecli", "run", "--img", str(tmp_path / "odd.png"), "--no-show"]
    command += ["--detector", "haar", "--json", "-", "--log-json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["error"] is None
    assert "libpng" not in done.stderr
    assert all(isinstance(json.loads(line), dict) for line in done.stderr.splitlines())
    loud = subprocess.run([*command[:-1], "-vv"], capture_output=True, text=True)
    assert "iCCP" in loud.stderr


@pytest.mark.parametrize("count", [0, 3])
def test_long_steps_have_a_bar_on_a_terminal_and_are_the_same_without(count, monkeypatch, capsys):
    assert list(with_bar(range(count), "counting")) == list(range(count))
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert list(with_bar(iter(range(count)), "counting", count)) == list(range(count))
    out, said = capsys.readouterr()
    assert out == "" and "counting" in said
