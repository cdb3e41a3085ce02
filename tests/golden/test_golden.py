"""What users see stays as it was recorded: rows, tables, messages, exit codes, help, drawn pictures.

`FACECLI_RECORD=1 python -m pytest tests/golden` records anew; read the difference before it is kept.
"""

import os
from pathlib import Path

import pytest
from golden_commands import COMMANDS, HELP
from golden_corpus import draw_corpus
from golden_records import differences, record

from facecli import __version__
from facecli.cli import main

HERE = Path(__file__).resolve().parent
RECORDS = HERE / "records"
MODEL = HERE / "model"
"""Random weights, in `model.tflite` of some kilobytes: what is recorded does not depend on a training."""
ENVIRONMENT = {"NO_COLOR": "1", "COLUMNS": "100", "TERM": "dumb"}


@pytest.fixture(scope="module")
def results(tmp_path_factory, astronaut):
    """Name -> record of all commands, run one after another in the corpus' folder."""
    folder = tmp_path_factory.mktemp("corpus")
    draw_corpus(folder, astronaut)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FACECLI_HOME", str(folder / "home"))
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.delenv("DISPLAY", raising=False)
        yield folder


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_gives_what_it_gave(name, results, capfd):
    line = COMMANDS[name]
    before = written_in(results)
    capfd.readouterr()
    code = main([word.format(model=MODEL) for word in line.split()])
    said = capfd.readouterr()
    after = written_in(results)
    new = {path: results / path for path, stamp in after.items() if before.get(path) != stamp}
    hidden = {
        str(MODEL): "MODEL",
        str(results): "CORPUS",
        str(HERE.parents[1]): "ROOT",
        __version__: "VERSION",
    }
    check(name, record(line, code, said.out, said.err, new, hidden))


@pytest.mark.parametrize("command", HELP)
def test_help_says_what_it_said(command, results, capfd):
    capfd.readouterr()
    code = main([*command.split(), "--help"])
    said = capfd.readouterr()
    check(f"help_{command.replace(' ', '_')}", record(f"{command} --help", code, said.out, said.err, {}, {}))


def test_no_record_is_of_nothing():
    names = {*COMMANDS, *(f"help_{command.replace(' ', '_')}" for command in HELP)}
    assert {path.stem for path in RECORDS.glob("*.txt")} == names


def written_in(folder):
    """What lies in `out`, by when and how large."""
    files = (path for path in (folder / "out").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size) for path in files}


def check(name, found):
    path = RECORDS / f"{name}.txt"
    if os.environ.get("FACECLI_RECORD"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert not differences(path.read_text(encoding="utf-8"), found)
