"""The door: what it imports, what it says, how it ends."""

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest

from facecli import __version__
from facecli.cli import app
from facecli.core.errors import InputError, SourceError
from facecli.core.faces import FrameResult

ROOT = Path(__file__).resolve().parents[2]
SLOW = ("tensorflow", "keras", "pandas", "cv2", "numpy", "matplotlib", "sklearn", "ai_edge_litert", "rich")
PROBE = """
import json, sys
from facecli.cli import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def probe(*arguments):
    """Exit code, imported modules, stdout and stderr of a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=True,
    )
    *said, last = done.stderr.splitlines()
    code, modules = json.loads(last)
    return code, set(modules), done.stdout, said


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], 0),
        (["--version"], 0),
        ([], 2),
        (["nonsense"], 2),
        (["run", "--help"], 0),
        (["run"], 2),
        (["run", "--img", "nowhere.jpg"], 2),
        (["run", "--img", "a", "--video", "b"], 2),
    ],
)
def test_help_and_wrong_arguments_import_nothing_slow(arguments, expected):
    code, modules, _, _ = probe(*arguments)
    assert code == expected
    assert modules.isdisjoint(SLOW)


def test_run_imports_nothing_of_the_train_lane(tmp_path, tiny_checkpoint):
    picture = tmp_path / "blank.pgm"
    picture.write_bytes(b"P5 40 30 255\n" + bytes(1200))
    code, modules, out, said = probe(
        "run", "--img", str(picture), "--no-show", "--model-path", str(tiny_checkpoint.folder)
    )
    assert (code, said) == (0, []) and "\nnone " in out
    assert modules.isdisjoint({"tensorflow", "keras", "pandas", "matplotlib", "sklearn"})


def test_version():
    assert probe("--version")[2].strip() == f"facecli, version {__version__}"


def test_module_is_runnable():
    done = subprocess.run(
        [sys.executable, "-m", "facecli", "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=True,
    )
    for name in app.COMMANDS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_listed_command_has_a_module(name):
    module = app.COMMANDS[name][0].partition(":")[0]
    assert importlib.util.find_spec(module) is not None


@pytest.fixture
def failing(monkeypatch):
    """Makes `facecli fail` raise; returns the setter of the error."""

    def fail_with(error):
        @click.command()
        def fail():
            raise error

        monkeypatch.setattr(app.LazyGroup, "get_command", lambda *_: fail)

    return fail_with


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("no such file: x"), 2, "Error: no such file: x"),
        (SourceError("two\nlines"), 1, "Error: two lines"),
        (OSError(28, "No space left on device", "a.txt"), 1, "Error: a.txt: No space left on device"),
        (MemoryError(), 1, "Error: not enough memory; try smaller pictures or a smaller --batch-size"),
    ],
)
def test_known_errors_are_one_line_and_a_code(failing, capsys, error, code, line):
    failing(error)
    assert app.main(["fail"]) == code
    assert capsys.readouterr() == ("", f"{line}\n")


def test_interruption_is_130(failing, capsys):
    failing(KeyboardInterrupt())
    assert app.main(["fail"]) == 130
    assert capsys.readouterr().err.strip() == ""


def test_bugs_are_not_hidden(failing):
    failing(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        app.main(["fail"])


def test_traceback_is_shown_when_asked_for(failing, caplog):
    failing(InputError("x"))
    assert app.main(["-vv", "fail"]) == 2
    assert "traceback" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell with pipes")
def test_closed_pipe_is_quiet():
    command = f"{sys.executable} -m facecli --help | true"
    done = subprocess.run(
        command,
        shell=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.stderr == ""


def test_missing_training_packages_are_one_line(monkeypatch, capsys):
    def lacking(*_, **__):
        raise ModuleNotFoundError("No module named 'pandas'", name="pandas")

    monkeypatch.setattr(app.cli, "main", lacking)
    assert app.main(["evaluate"]) == 1
    said = capsys.readouterr().err
    assert "pandas" in said and "[train]'" in said and len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("word", "meant"),
    [("rum", "Did you mean 'run'?"), ("sumarise", "Did you mean 'summarize'?"), ("qqqq", "command 'qqqq'.")],
)
def test_misspelt_commands_get_a_suggestion(word, meant, capsys):
    assert app.main([word]) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(meant)


def test_a_picture_in_place_of_a_command_is_told_how(tmp_path, capsys):
    (tmp_path / "my photo.jpg").write_bytes(b"")
    assert app.main([str(tmp_path / "my photo.jpg")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"facecli run '{tmp_path / 'my photo.jpg'}'")


def test_hanging_driver_does_not_hold_the_process(monkeypatch):
    answer, left = threading.Event(), []
    # Those of other tests are none of this run's.
    others, running = set(threading.enumerate()), threading.enumerate
    monkeypatch.setattr(threading, "enumerate", lambda: [one for one in running() if one not in others])
    monkeypatch.setattr("os._exit", left.append)
    monkeypatch.setattr(sys, "argv", ["facecli", "--version"])
    hanging = threading.Thread(target=answer.wait, name="capture", daemon=True)
    hanging.start()
    try:
        app.main()
        assert left == [0]
    finally:
        answer.set()
        hanging.join()
    assert app.main() == 0 and left == [0]


FACECLI = [sys.executable, "-m", "facecli"]


def shell(line, **more):
    """Runs a line of bash in which `facecli` is ours: (exit code of it, stdout and stderr)."""
    script = f'set -o pipefail; facecli() {{ {shlex.join(FACECLI)} "$@"; }}; {line}'
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False, **more
    )
    return done.returncode, done.stdout, done.stderr


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture
def rows(tmp_path):
    row = json.dumps(FrameResult("a.jpg", 1, 1).to_json()) + "\n"
    (tmp_path / "rows.jsonl").write_text(row)
    return tmp_path


@needs_bash
@pytest.mark.parametrize(
    "line",
    [
        "facecli summarize rows.jsonl | true",
        "facecli summarize rows.jsonl --json - | true",
        "facecli models list --json - | true",
        "facecli run --help | true",
        "facecli --help | true",
        "facecli summarize rows.jsonl --json - >&-",
    ],
)
def test_who_has_seen_enough_is_told_nothing(rows, line):
    # The pipe is closed before the first line comes.
    assert shell(line, cwd=rows) == (141, "", "")


@needs_bash
def test_without_standard_streams_files_are_written_all_the_same(rows):
    assert shell("facecli summarize rows.jsonl --json out.json <&- >&- 2>&-", cwd=rows) == (0, "", "")
    assert json.loads((rows / "out.json").read_text())["pictures"] == 1
    code, _, said = shell("facecli summarize - <&-", cwd=rows)
    assert code == 2 and said.startswith("Error: cannot read standard input: it is closed")


@needs_bash
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["summarize rows.jsonl", "summarize rows.jsonl --json -", "run --help"])
def test_a_full_standard_output_is_named(rows, command):
    code, _, said = shell(f"facecli {command} > /dev/full", cwd=rows)
    assert code == 1 and "standard output: No space left" in said and len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libcv.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        OSError(12, "Cannot allocate memory"),
        ValueError("std::bad_alloc"),
    ],
)
def test_no_memory_is_one_line(failing, capsys, error):
    failing(error)
    assert app.main(["fail"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_an_error_of_the_system_blames_what_it_is_about(failing, capsys):
    for error, said in (
        (OSError(28, "No space left on device"), "Error: No space left on device\n"),
        (OSError(28, "No space left on device", "a.parquet"), "Error: a.parquet: No space left on device\n"),
    ):
        failing(error)
        assert app.main(["fail"]) == 1
        assert capsys.readouterr().err == said
