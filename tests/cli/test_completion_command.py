"""Completion scripts, and what shells get from them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from facecli.cli import app

ROOT = Path(__file__).resolve().parents[2]
SHELLS = ("bash", "zsh", "fish")


def ask(words, tmp_path=None):
    """What facecli answers to bash: (kind, word) of each proposal for the last of the words."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "_FACECLI_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "facecli"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    return [tuple(text.split(",", 1)) for text in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(shell, capsys):
    assert app.main(["completion", shell]) == 0
    out, said = capsys.readouterr()
    assert "_FACECLI_COMPLETE" in out and shell in out and said == ""


def test_without_a_shell_it_says_where_to_put_it(capsys, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/zsh")
    assert app.main(["completion"]) == 0
    asked = capsys.readouterr().out
    assert "~/.zshrc" in asked and ".bashrc" not in asked
    assert app.main(["--install-completion"]) == 0
    assert capsys.readouterr().out == asked
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    app.main(["completion"])
    out = capsys.readouterr().out
    assert all(f"facecli completion {shell}" in out for shell in SHELLS)


def test_another_shell_is_code_2(capsys):
    assert app.main(["completion", "tcsh"]) == 2
    assert "bash" in capsys.readouterr().err


def test_commands_options_and_values_are_proposed():
    assert {"run", "search", "summarize"} <= {word for _, word in ask(["facecli", ""])}
    assert ("plain", "--min-confidence") in ask(["facecli", "search", "--min"])
    assert ("plain", "female") in ask(["facecli", "search", "--gender", "fe"])
    assert ("plain", "facenet") in ask(["facecli", "summarize", "--model-type", "f"])


def test_files_and_folders_are_left_to_the_shell():
    assert ask(["facecli", "summarize", "ro"]) == [("file", "ro")]
    assert ask(["facecli", "run", "--json", "ro"]) == [("file", "ro")]
    assert ask(["facecli", "search", "--copy-to", "fo"]) == [("dir", "fo")]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_with_the_script(tmp_path):
    (tmp_path / "facecli").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m facecli "$@"\n')
    (tmp_path / "facecli").chmod(0o755)
    code = """
        eval "$(facecli completion bash)"
        COMP_WORDS=(facecli sear) COMP_CWORD=1
        _facecli_completion facecli
        echo "${COMPREPLY[@]}"
    """
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(["bash", "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["search"], done.stderr
