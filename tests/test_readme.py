"""What README.md and docs/ promise: the commands parse, the links lead somewhere, the tables are fresh."""

import importlib
import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    ROOT / "README.md",
    *(
        page
        for folder in ("docs", "docs/how_to", "docs/site")
        for page in sorted((ROOT / folder).glob("*.md"))
    ),
]
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(facecli [^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
# What the examples name and a reader would have.
EXAMPLE_FILES = ("photo.jpg", "clip.mp4", "UTKFace.tar.gz")
EXAMPLE_FOLDERS = ("photos", "data/UTKFace")


def console_commands() -> list[str]:
    blocks = "".join(
        found for path in DOCUMENTS for found in CONSOLE.findall(path.read_text(encoding="utf-8"))
    )
    return [line.removeprefix("$ ") for line in blocks.splitlines() if line.startswith("$ ")]


def inline_commands() -> list[str]:
    """Commands quoted in sentences, those with a placeholder such as COMMAND or a|b left out."""
    found = (text for path in DOCUMENTS for text in INLINE.findall(path.read_text(encoding="utf-8")))
    return [text for text in found if not re.search(r"\b[A-Z]{3,}\b|\||\.\.\.|…", text)]


def without_running(command: click.Command, arguments: list[str], name: str) -> click.Command:
    """The command that the arguments lead to, after every option on the way was parsed.

    Raises click.UsageError for an unknown command or option, a missing or wrong value.
    """
    if not isinstance(command, click.Group):
        command.make_context(name, arguments)
        return command
    context = click.Context(command, info_name=name)
    inner_name, inner, rest = command.resolve_command(context, arguments)
    return without_running(inner, rest, inner_name)


@pytest.fixture
def example_folder(tmp_path, monkeypatch):
    """A folder with the files that the examples name, as the current folder."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for name in EXAMPLE_FOLDERS:
        (tmp_path / name).mkdir(parents=True)
    for name in EXAMPLE_FILES:
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)


def the_group() -> click.Group:
    cli = importlib.import_module("facecli.cli.app")
    return next(value for value in vars(cli).values() if isinstance(value, click.Group))


@pytest.mark.usefixtures("example_folder")
@pytest.mark.parametrize("command", sorted(set(console_commands())))
def test_documented_invocation_parses(command):
    name, *arguments = shlex.split(command)
    assert name == "facecli"
    without_running(the_group(), arguments, "facecli")


@pytest.mark.parametrize("command", sorted(set(inline_commands())))
def test_command_named_in_a_sentence_has_the_options_it_is_named_with(command):
    found, words = the_group(), shlex.split(command)[1:]
    while words and isinstance(found, click.Group) and not words[0].startswith("-"):
        _, found, words = found.resolve_command(click.Context(found), words)
    known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} - known - {"--help"} == set()


def test_the_parser_of_this_test_refuses_what_does_not_exist():
    with pytest.raises(click.UsageError):
        without_running(the_group(), ["run", "--no-such-option"], "facecli")
    with pytest.raises(click.UsageError):
        without_running(the_group(), ["no-such-command"], "facecli")


def test_readme_shows_the_main_commands():
    shown = " ".join(console_commands())
    for wanted in ("run --img", "run --video", "train --eval", "evaluate"):
        assert f"facecli {wanted}" in shown


def test_make_targets_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = {
        word for block in SHELL.findall(text) for word in re.findall(r"^make (\w+)", block, re.MULTILINE)
    }
    assert {"run", "test"} <= shown
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {name for name in shown if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "make test" in script


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    targets = [link for link in LINK.findall(document.read_text(encoding="utf-8")) if "://" not in link]
    missing = {
        path.relative_to(ROOT).as_posix()
        for link in targets
        if not (path := (document.parent / link).resolve()).exists()
    }
    assert missing == set()


def test_accuracy_and_group_tables_are_what_the_metrics_say():
    spec = importlib.util.spec_from_file_location("readme_tables", ROOT / "benchmarks" / "readme_tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    for path, text in tables.renewed_documents().items():
        assert path.read_text(encoding="utf-8") == text, f"run: python benchmarks/{tables.__name__}.py"
