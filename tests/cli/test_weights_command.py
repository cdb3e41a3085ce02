"""`facecli weights`: what it prints, and how it fails."""

import hashlib

import pytest
from click.testing import CliRunner

from facecli.cli.models import weights
from facecli.core import paths
from facecli.core.errors import InputError, WeightsError
from facecli.models.weights_registry import WEIGHTS, Weights, WeightsFile

BODY = b"a detector"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    file = WeightsFile("yunet.onnx", (), len(BODY), hashlib.sha256(BODY).hexdigest())
    monkeypatch.setitem(WEIGHTS, "yunet", Weights("yunet", "a detector", "MIT", (file,)))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "yunet.onnx"
    path.write_bytes(BODY)
    return path


def run(*arguments):
    return CliRunner().invoke(weights, [str(argument) for argument in arguments])


def test_help_names_the_three_commands():
    result = run("--help")
    assert result.exit_code == 0
    for command in ("get", "list", "verify"):
        assert command in result.output


def test_an_unknown_name_is_a_usage_error():
    assert run("get", "arcface").exit_code == 2


def test_weights_without_an_address_are_installed_by_hand():
    result = run("get", "mobilenet")
    assert result.exit_code == 1
    assert "no public address of 'mobilenet' is known" in str(result.exception)
    assert "--from" in str(result.exception)


def test_list_says_what_is_here(source):
    assert run("list").output.count("not here") == len(WEIGHTS)
    run("get", "yunet", "--from", source)
    result = run("list")
    assert result.exit_code == 0
    assert "yunet.onnx" in result.output
    assert result.output.count("not here") == len(WEIGHTS) - 1
    assert str(paths.weights_dir()) in result.output


def test_get_from_a_file_prints_where_it_lies(source):
    result = run("get", "yunet", "--from", source)
    assert result.exit_code == 0
    assert result.output.strip() == str(paths.weights_dir() / "yunet.onnx")


def test_get_from_and_url_exclude_each_other(source):
    result = run("get", "yunet", "--from", source, "--url", "http://127.0.0.1/yunet.onnx")
    assert isinstance(result.exception, InputError)


def test_verify_with_nothing_here_says_how_to_fetch():
    result = run("verify")
    assert isinstance(result.exception, WeightsError)
    assert "facecli weights get" in str(result.exception)


def test_verify_passes_the_genuine_and_names_the_damaged(source):
    run("get", "yunet", "--from", source)
    result = run("verify", "yunet")
    assert (result.exit_code, result.output.split()[0]) == (0, "ok")
    (paths.weights_dir() / "yunet.onnx").write_bytes(b"something else")
    result = run("verify")
    assert result.output.startswith("WRONG")
    assert isinstance(result.exception, WeightsError)
