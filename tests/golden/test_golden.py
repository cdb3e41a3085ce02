"""What users see stays as it was recorded: rows, tables, messages, exit codes, help, drawn pictures.

`FACECLI_RECORD=1 python -m pytest tests/golden` records anew; read the difference before it is kept.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from golden_commands import COMMANDS, HELP
from golden_corpus import draw_corpus
from golden_records import differences, record

from facecli import __version__
from facecli.cli.app import main

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
    rows = (HERE / "rows.jsonl").read_text(encoding="utf-8")
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    (folder / "half.jsonl").write_text("".join(rows.splitlines(keepends=True)[:4]), encoding="utf-8")
    for name in ("tiny", "other"):
        shutil.copytree(MODEL, folder / "models" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FACECLI_HOME", str(folder / "home"))
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        for name in ("DISPLAY", "FORCE_COLOR"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_gives_what_it_gave(name, results, capfd):
    line = COMMANDS[name]
    before = written_in(results)
    capfd.readouterr()
    code = main([word.format(model="models/tiny") for word in line.split()])
    said = capfd.readouterr()
    after = written_in(results)
    new = {path: results / path for path, stamp in after.items() if before.get(path) != stamp}
    hidden = {
        str(results): "CORPUS",
        str(HERE.parents[1]): "ROOT",
        __version__: "VERSION",
    }
    check(name, record(line, code, said.out, said.err, new, hidden))


@pytest.mark.parametrize("command", HELP)
def test_help_says_what_it_said(command, results):
    # In a process of its own: click remembers how a command was called first, and so does its help.
    line = [sys.executable, "-m", "facecli", *command.split(), "--help"]
    said = subprocess.run(line, capture_output=True, text=True, check=False)
    told = record(f"{command} --help", said.returncode, said.stdout, said.stderr, {}, {})
    check(f"help_{command.replace(' ', '_')}", told)


def test_no_record_is_of_nothing():
    names = {*COMMANDS, *(f"help_{command.replace(' ', '_')}" for command in HELP)}
    assert {path.stem for path in RECORDS.glob("*.txt")} == names


def written_in(folder):
    """What lies in the corpus, by when and how large; what is read there must stay as it is."""
    files = [path for path in folder.rglob("*") if path.is_file() and "home" not in path.parts]
    stamps = [(path.stat().st_mtime_ns, path.stat().st_size) for path in files]
    return {path.relative_to(folder).as_posix(): stamp for path, stamp in zip(files, stamps, strict=True)}


def check(name, found):
    path = RECORDS / f"{name}.txt"
    if os.environ.get("FACECLI_RECORD"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert not differences(path.read_text(encoding="utf-8"), found)


def test_differences_are_seen():
    row = '{"age_years": 57.1, "box_xyxy": [80, 29, 128, 77]}'
    assert differences(row, row.replace("57.1", "57.2").replace("[80", "[81")) == []
    assert differences(row, row.replace("57.1", "58.2")) and differences(row, row.replace("[80", "[82"))
    assert differences("a.png  1  male 74%", "a.png  1  male 75%") == []
    for one, other in [
        ("exit code 1", "exit code 2"),
        ("3 of 11 pictures", "4 of 11 pictures"),
        (row, f"{row}\n{row}"),
        ("a\n\nb", "a\nb"),
        ("no face", "No face"),
    ]:
        assert differences(one, other)
    grey, lighter, light = (f"picture 20x20 {bytes([level] * 400).hex()}" for level in (90, 95, 120))
    assert differences(grey, lighter) == [] and differences(grey, light)
    assert differences(grey, grey.replace("20x20", "20x21"))
