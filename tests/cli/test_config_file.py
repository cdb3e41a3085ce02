from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from facecli.cli.options import config_option
from facecli.cli.train import distil, train

RECIPES = Path(__file__).resolve().parents[2] / "docs" / "recipes"


@click.command()
@click.option("--epochs", type=click.IntRange(1), default=5)
@click.option("--image-size", type=int)
@click.option("--share", "shares", multiple=True)
@click.option("--heads")
@click.option("--eval", "evaluate", is_flag=True)
@config_option
def command(**options):
    click.echo(repr(options))


def run(tmp_path, text, *typed):
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return CliRunner().invoke(command, ["--config", str(path), *typed])


def test_an_empty_file_changes_nothing(tmp_path):
    assert run(tmp_path, "").stdout == CliRunner().invoke(command).stdout


def test_options_of_every_kind(tmp_path):
    text = 'epochs = 7\nimage-size = 64\nshare = { a = 0.5, b = 0.25 }\nheads = ["age", "race"]\neval = true'
    assert eval(run(tmp_path, text).stdout) == {
        "epochs": 7,
        "image_size": 64,
        "shares": ("a=0.5", "b=0.25"),
        "heads": "age,race",
        "evaluate": True,
    }


def test_what_is_typed_wins(tmp_path):
    found = eval(run(tmp_path, 'epochs = 7\nshare = ["a=0.5"]', "--epochs", "2", "--share", "b=1").stdout)
    assert found["epochs"] == 2 and found["shares"] == ("b=1",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epochs 3", "is not a TOML file"),
        ("epoch = 3", "no option is called epoch"),
        ("config = 'x'", "no option is called config"),
        ("epochs = 0", "0 is not in the range"),
        ("epochs = 'many'", "'many' is not a valid integer"),
        ("heads = [['age']]", "a list in a list"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(tmp_path, text, told):
    result = run(tmp_path, text)
    assert result.exit_code == 2 and told in result.stderr and "Traceback" not in result.stderr


def test_a_file_that_is_not_there(tmp_path):
    result = CliRunner().invoke(command, ["--config", str(tmp_path / "none.toml")])
    assert result.exit_code == 2 and "cannot be read" in result.stderr


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_are_read(recipe):
    command = distil if "\nteachers = " in recipe.read_text(encoding="utf-8") else train
    result = CliRunner().invoke(command, ["--config", str(recipe), "--dry-run"])
    assert result.exit_code == 0, result.output
