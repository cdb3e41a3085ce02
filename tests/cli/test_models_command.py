"""`facecli models`: what it prints, asks and refuses."""

import json
import shutil

import pytest

from facecli.cli.app import main
from facecli.core import paths
from facecli.core.paths import SHIPPED_MODELS
from facecli.models.terms import OPEN


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch, tiny_checkpoint):
    """A home with the model `mine`; nothing is shipped but `normal_model`."""
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(paths, "shipped_places", lambda folder: [tmp_path / "shipped"])
    for place in (tmp_path / "home" / "saved_model" / "mine", tmp_path / "shipped" / "normal_model"):
        shutil.copytree(tiny_checkpoint.folder, place)
    return tmp_path / "home" / "saved_model"


@pytest.fixture
def run(capfd):
    """Runs `facecli models`: (exit code, stdout, stderr)."""

    def run(*arguments):
        code = main(["models", *map(str, arguments)])
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def answers(monkeypatch):
    """Types an answer where a question is asked."""

    def answer(text):
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: text)

    return answer


def test_without_any_model_the_list_is_a_header(run, home, tmp_path):
    shutil.rmtree(home)
    shutil.rmtree(tmp_path / "shipped")
    code, out, err = run("list")
    assert code == 0 and len(out.splitlines()) == 1 and str(home) in err
    assert run("list", "--json")[1].strip() == "[]"
    code, _, err = run("verify")
    assert code == 1 and "no model" in err


def test_list_names_heads_sizes_and_owners(run):
    code, out, _ = run("list")
    header, mine, shipped = out.splitlines()
    assert code == 0 and header.startswith("model")
    assert mine.startswith("mine") and "age gender race" in mine and "shipped" not in mine
    assert shipped.startswith("normal_model") and shipped.endswith("shipped")


def test_list_shows_what_was_measured(run, home):
    (home / "mine" / "metrics.json").write_text('{"age": {"mae": 4.875}, "gender": {"accuracy": 0.926}}')
    _, mine, _ = run("list")[1].splitlines()
    assert "4.88" in mine and "92.6%" in mine


def test_list_as_json_is_json(run, home):
    entries = json.loads(run("list", "--json")[1])
    assert [(entry["name"], entry["shipped"], entry["runs"]) for entry in entries] == [
        ("mine", False, True),
        ("normal_model", True, True),
    ]
    assert set(entries[0]["sha256"]) == {"model.tflite"}


def test_show_tells_all(run, home):
    code, out, _ = run("show", "mine")
    assert code == 0
    for told in (
        "your own",
        "male female",
        "0 to 116 years",
        "32 x 24 pixels",
        "sha256 of model.tflite",
        "nothing yet",
    ):
        assert told in out
    code, out, _ = run("show", "normal", "--json")
    assert code == 0 and json.loads(out)["config"]["heads"] == ["age", "gender", "race"]


def test_terms_are_told_with_what_was_learnt_from(run, home):
    code, out, _ = run("show", "mine")
    assert code == 0 and "non-commercial research" in out and "https://susanqq.github.io/UTKFace/" in out
    path = home / "mine" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"terms": OPEN.to_config()}))
    _, out, _ = run("show", "mine")
    for told in ("CC BY 4.0", "commercial use", "https://github.com/joojs/fairface"):
        assert told in out
    mine, shipped = json.loads(run("list", "--json")[1])
    assert mine["terms"] == json.loads(run("show", "mine", "--json")[1])["terms"] == OPEN.to_config()
    assert shipped["terms"]["may_be_used_for"] == "non-commercial research"


def test_a_model_of_which_nothing_is_known_says_so(run, home):
    path = home / "mine" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "stranger"}))
    told = [line.split() for line in run("show", "mine")[1].splitlines()]
    assert ["learnt", "from", "not", "known"] in told


@pytest.mark.parametrize(
    "changes, key",
    [
        ({"labels": 5}, "labels is 5"),
        ({"detectors": []}, "detectors is []"),
        ({"detectors": {"haar": 3}}, "detectors.haar is 3"),
        ({"labels": {"age": None}}, "labels.age is null"),
        ({"seed": None}, "seed is null"),
        ({"heads": True}, "heads is true"),
        ({"heads": float("inf")}, "heads is Infinity"),
        ({"sha256": [80, True]}, "sha256 is [80, true]"),
        ({"calibration": "warm"}, "calibration is"),
        ({"terms": 5}, "terms is 5"),
        ({"terms": {"licence": "a", "may_be_used_for": "b"}}, "terms.sources is missing"),
    ],
)
def test_a_config_of_wrong_types_is_named_with_its_key_and_ends_nothing(run, home, changes, key):
    path = home / "mine" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    (home / "mine" / "metrics.json").write_text('{"age": 3, "gender": {"accuracy": "x", "accuracy_ci95": 1}}')
    code, out, err = run("show", "mine")
    assert code == 1 and "mine" in out and len(err.splitlines()) == 1 and f"config.json: {key}" in err
    code, out, _ = run("list")
    header, mine, shipped = out.splitlines()
    assert code == 0 and f"config.json: {key}" in mine and shipped.endswith("shipped")
    assert json.loads(run("list", "--json")[1])[0]["runs"] is False
    code, out, err = run("verify")
    assert code == 1 and f"config.json: {key}" in out and "normal_model" in out
    assert run("verify", "normal")[0] == 0


@pytest.mark.parametrize(
    "metrics",
    ['{"age": {"mae": 1e999}}', '{"age": {"mae": 1' + 400 * "0" + "}}", '{"split": "\\ud800"}', "[" * 9999],
)
def test_metrics_that_cannot_be_are_left_out(run, home, metrics):
    (home / "mine" / "metrics.json").write_text(metrics)
    assert (run("list")[0], run("show", "mine")[0]) == (0, 0)


def test_show_of_a_damaged_model_says_what_is_wrong(run, home):
    (home / "mine" / "config.json").write_text("{")
    code, out, err = run("show", "mine")
    assert code == 1 and "mine" in out and "is not JSON" in err
    assert "is not JSON" in run("list")[1]
    code, out, _ = run("verify")
    assert code == 1 and out.splitlines()[0].startswith("WRONG")


@pytest.mark.parametrize("command", [["show", "nope"], ["verify", "nope"], ["show", ""]])
def test_an_unknown_model_is_one_line(run, command):
    code, out, err = run(*command)
    assert (code, out, len(err.splitlines())) == (1, "", 1)


def test_verify_names_every_file(run, home):
    code, out, err = run("verify")
    assert (code, err) == (0, "")
    assert [line[:5] for line in out.splitlines()] == ["ok   ", "ok   "]
    (home / "mine" / "model.tflite").write_bytes(b"changed")
    code, out, err = run("verify", "mine")
    assert code == 1 and out.startswith("WRONG") and "1 file is not" in err


def test_rm_asks_and_takes_no_for_an_answer(run, home, answers):
    answers("n")
    code, out, err = run("rm", "mine")
    assert code == 1 and out == "" and "was not removed" in err
    assert (home / "mine").is_dir()
    answers("y")
    code, out, _ = run("rm", "mine")
    assert code == 0 and out.startswith("removed")
    assert not (home / "mine").exists()


def test_rm_without_anybody_to_answer_needs_yes(run, home, monkeypatch):
    def nobody(prompt):
        raise EOFError

    monkeypatch.setattr("click.termui.visible_prompt_func", nobody)
    code, _, err = run("rm", "mine")
    assert code == 2 and "--yes" in err and (home / "mine").is_dir()
    assert run("rm", "mine", "--yes")[0] == 0
    assert not (home / "mine").exists()


@pytest.mark.parametrize("name", ["nope", "", ".", "..", "/", "normal_model"])
def test_rm_refuses_what_is_none_or_shipped(run, home, tmp_path, name):
    code, out, err = run("rm", name, "--yes")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert (home / "mine").is_dir() and (tmp_path / "shipped" / "normal_model").is_dir()


def test_rm_of_a_folder_that_is_no_model(run, tmp_path):
    (tmp_path / "photos").mkdir()
    code, _, err = run("rm", tmp_path / "photos", "--yes")
    assert code == 2 and "not a model folder" in err and (tmp_path / "photos").is_dir()


def test_json_goes_to_a_file_beside_the_text(run, home, tmp_path):
    assert run("list", "--json", tmp_path / "models.json")[1].strip() != "[]"
    assert isinstance(json.loads((tmp_path / "models.json").read_text()), list)
    code, out, _ = run("show", "normal", "--json", tmp_path / "normal.json")
    assert code == 0 and "normal_model" in out
    assert "config" in json.loads((tmp_path / "normal.json").read_text())


@pytest.mark.parametrize("name", SHIPPED_MODELS)
def test_what_came_with_facecli_is_told_of_whatever_it_is_for(monkeypatch, run, name):
    monkeypatch.undo()
    entries = {entry["name"]: entry for entry in json.loads(run("list", "--json")[1])}
    assert name in entries and entries[name]["problem"] is None and entries[name]["shipped"]
    code, out, err = run("show", name)
    assert (code, err) == (0, "") and "may be used for" in out
    assert json.loads(run("show", name, "--json")[1])["sha256"] == entries[name]["sha256"]
    assert run("verify", name)[0] == 0
