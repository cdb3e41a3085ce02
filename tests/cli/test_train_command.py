"""`train`, `evaluate` and `distil` at the door: plans, wrong arguments, one whole run."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

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
        ["--heads", "Shoe Size"],
        ["--heads", "age,quality"],
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
