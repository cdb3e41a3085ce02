"""Earlier names of options: they work, with one line on standard error, and `--help` leaves them out."""

import click
import pytest
from click.testing import CliRunner

from facecli.cli.app import main
from facecli.cli.options import renamed_option
from facecli.cli.output import configure_output, warn_deprecated
from facecli.core.errors import Deprecation

OLD = Deprecation("--old", "1.1.0", "write --new", "2.0.0")


@pytest.fixture(autouse=True)
def loud():
    configure_output()


@click.command()
@renamed_option("--old", OLD, "new", click.IntRange(1))
@click.option("--new", type=click.IntRange(1), default=5)
def command(new: int) -> None:
    click.echo(f"new={new}")


@pytest.mark.parametrize(
    ("typed", "found"),
    [("", 5), ("--new 3", 3), ("--old 3", 3), ("--old 3 --new 4", 4), ("--new 4 --old 3", 4)],
)
def test_the_earlier_name_fills_the_same_parameter_and_the_new_one_wins(typed, found):
    result = CliRunner().invoke(command, typed.split())
    assert (result.exit_code, result.stdout) == (0, f"new={found}\n")
    warned = ["Warning: --old is deprecated since 1.1.0 and goes in 2.0.0: write --new"]
    assert result.stderr.splitlines() == (warned if "--old" in typed else [])


def test_a_wrong_value_is_said_of_the_name_that_was_typed():
    result = CliRunner().invoke(command, ["--old", "0"])
    assert result.exit_code == 2 and "--old" in result.stderr and "new=" not in result.stdout


def test_help_has_the_new_name_alone():
    said = CliRunner().invoke(command, ["--help"]).stdout
    assert "--new" in said and "--old" not in said


def test_one_line_for_a_command_line_however_often_it_is_asked():
    @click.command()
    def twice() -> None:
        warn_deprecated(OLD)
        warn_deprecated(OLD)

    assert len(CliRunner().invoke(twice).stderr.splitlines()) == 1
    assert len(CliRunner().invoke(twice).stderr.splitlines()) == 1


def test_quiet_leaves_it_out_and_log_json_makes_an_object_of_it(capsys):
    arguments = ["run", "gone.png", "--no-show", "--min-size", "20"]
    assert main([*arguments, "--quiet"]) == 2
    assert "deprecated" not in capsys.readouterr().err
    assert main([*arguments, "--log-json"]) == 2
    assert '"level": "warning", "message": "--min-size is deprecated' in capsys.readouterr().err
