"""docs/scale.md: its commands are run against a server that speaks S3, its options and its Python as well."""

import os
import re
import shlex
from pathlib import Path

import click
import cv2
import numpy as np
import pytest

from facecli.cli.app import cli, main

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "scale.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
FIRST = next(text for kind, text in BLOCKS if kind == "sh")


def commands(text):
    """Arguments of every command of facecli, also of those that an engine gets as a list."""
    lines = text.replace("\\\n", " ")
    plain = re.findall(r"(?:^|srun )facecli (.*)$", lines, re.MULTILINE)
    listed = re.findall(r"\[\"?facecli,?\"?,(.*?)\]", lines, re.DOTALL)
    for line in plain:
        yield shlex.split(line.split(" #")[0].split(" || ")[0])
    for line in listed:
        yield [word.strip().strip('"') for word in line.split(",")]


ALL = [words for kind, text in BLOCKS if kind in ("sh", "yaml") for words in commands(text)]


def test_every_engine_has_a_command():
    assert len(ALL) == 8


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_options_of_the_examples_are_there(words):
    name, *arguments = words
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    context = command.make_context(name, list(arguments), resilient_parsing=False)
    assert context.params["sources" if name != "merge" else "parts"]


def test_the_first_example_is_run_on_four_machines(s3, tmp_path, tiny_checkpoint, monkeypatch, capfd):
    pytest.importorskip("pyarrow", reason="the extra [parquet] is not here")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.chdir(tmp_path)
    s3.make_bucket("bucket")
    for number in range(12):
        picture = cv2.imencode(".png", np.full((20, 20, 3), 9 * number, np.uint8))[1]
        s3.put("bucket", f"photos/{number}.png", picture.tobytes())
    listing, run, merge = commands(FIRST)
    assert main(listing) == 0
    for number in (1, 2, 3, 4):
        run[run.index("--shard") + 1] = f"{number}/4"
        assert main([*run, "--model-path", str(tiny_checkpoint.folder), "--detector", "none"]) == 0
    assert main(merge) == 0
    assert "12 rows of 4 parts" in capfd.readouterr().err
    (tmp_path / "rows.jsonl").write_text('{"source": "a", "faces": []}\n')
    python = next(text for kind, text in BLOCKS if kind == "python" and "account(" in text)
    scope: dict = {}
    pytest.importorskip("pandas", reason="the example of the page uses it")
    exec(compile(python, "docs/scale.md", "exec"), scope)
    assert scope["found"].is_whole and len(scope["faces"]) == 12 and scope["table"].num_rows == 1
    assert os.listdir(tmp_path / "rows")
