"""`train`, `evaluate` and `distil` at the door: plans, wrong arguments, one whole run."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from facecli.cli.app import main
from facecli.cli.evaluate import evaluate, metric_rows
from facecli.cli.train import distil, train


def run(command, *arguments):
    return CliRunner().invoke(command, list(arguments))


def test_a_dry_run_prints_the_plan_and_imports_no_tensorflow():
    code = (
        "import sys; from click.testing import CliRunner; from facecli.cli.train import train;"
        "r = CliRunner().invoke(train, ['--dry-run', '--model-type', 'normal']); print(r.output);"
        "assert r.exit_code == 0, r.output;"
        "assert not {'tensorflow', 'keras', 'pandas', 'cv2'} & set(sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "normal_model" in out
    assert "epochs           30" in out


def test_defaults_follow_the_backbone():
    assert "epochs           2" in run(train, "--dry-run").output
    assert "batch_size       128" in run(train, "--dry-run", "--backbone", "inception-resnet-v1").output
    assert "epochs           7" in run(train, "--dry-run", "--epochs", "7").output
    assert "initial          x" in run(distil, "--dry-run", "--initial", "x").output


@pytest.mark.parametrize(
    "arguments",
    [
        ["--epochs", "-1"],
        ["--heads", "shoe_size"],
        ["--heads", ","],
        ["--model-type", "vgg"],
        ["--limit", "3"],
    ],
)
def test_wrong_arguments(arguments):
    result = run(train, *arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_missing_data_is_one_line(tmp_path):
    arguments = ["train", "--data-path", str(tmp_path / "nowhere")]
    done = subprocess.run(
        [sys.executable, "-m", "facecli", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_model_is_one_line(tmp_path):
    arguments = ["evaluate", "--model-path", "no_such_model", "--data-path", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "facecli", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no_such_model" in done.stderr.strip().splitlines()[-1]


def test_rows_of_the_table_skip_heads_without_faces():
    assert metric_rows({"age": {"count": 0}, "gender": {"count": 0}}) == []
    assert evaluate.name == "evaluate"
    assert json.dumps(metric_rows({})) == "[]"


def test_head_weights_are_in_the_plan_from_the_line_and_from_a_file(tmp_path):
    told = "{'age': 0.5, 'race': 2.0}"
    assert told in run(train, "--dry-run", "--head-weights", "age=0.5, race=2").output
    file = tmp_path / "recipe.toml"
    file.write_text("head-weights = { age = 0.5, race = 2 }\n", encoding="utf-8")
    assert told in run(train, "--dry-run", "--config", str(file)).output
    assert told in run(distil, "--dry-run", "--config", str(file)).output


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("age=-1", "'age=-1'"),
        ("age=nan", "'age=nan'"),
        ("age=inf", "'age=inf'"),
        ("age=0", "'age=0'"),
        ("age", "'age'"),
        ("=2", "'=2'"),
        ("age=1,age=2", "two weights"),
        (",", "give heads"),
        ("shoe_size=2", "shoe_size"),
        ("emotion=2", "emotion"),
    ],
)
@pytest.mark.parametrize("command", ["train", "distil"])
def test_head_weights_that_cannot_be(given, named, command, capfd):
    code = main([command, "--dry-run", "--head-weights", given])
    err = capfd.readouterr().err
    *usage, last = err.splitlines()
    assert code == 2 and named in last and len(usage) in (0, 3)


def test_a_share_that_is_left_out_is_one(capfd):
    assert (
        "left_out         0.7"
        in run(train, "--dry-run", "--rebalance", "undersample", "--left-out", "0.7").output
    )
    assert main(["train", "--dry-run", "--rebalance", "undersample", "--left-out", "1"]) == 2
