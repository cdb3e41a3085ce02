"""docs/exit_codes.md says what the code does."""

import os
import re
import shlex
from pathlib import Path

import click
import pytest

from facecli.cli import app, run_setup
from facecli.core import errors

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "exit_codes.md").read_text(encoding="utf-8")
CODES = {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)}
ERRORS = {name: int(code) for name, code in re.findall(r"^\| `(\w+Error)` \| (\d+) \|", TEXT, re.MULTILINE)}
COMMANDS = re.findall(r"^\| `(facecli .*)` \| (\d+) \|$", TEXT, re.MULTILINE)


def known_errors():
    return {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.FacecliError)
    }


def test_the_document_names_all_codes():
    constants = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    kills = {128 + kill for kill in run_setup.POLITE_KILLS}
    assert {0, *kills, *constants} == CODES


def test_the_document_names_all_errors_with_their_codes():
    assert {name: kind.exit_code for name, kind in known_errors().items()} == ERRORS


@pytest.mark.parametrize("name", ERRORS)
def test_each_error_ends_with_its_code(name, monkeypatch, capsys):
    @click.command()
    def fail():
        raise known_errors()[name]("so it is")

    monkeypatch.setattr(app.LazyGroup, "get_command", lambda *_: fail)
    assert app.main(["fail"]) == ERRORS[name]
    assert capsys.readouterr() == ("", "Error: so it is\n")


@pytest.mark.parametrize(("command", "code"), COMMANDS)
def test_each_command_of_the_document_ends_so(command, code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"source": "a.jpg", "faces": []}\n', encoding="utf-8")
    assert app.main(shlex.split(command)[1:]) == int(code)
    assert "Traceback" not in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["rows.jsonl"]
