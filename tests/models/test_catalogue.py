"""Which models are here; their digests; what is removed and what never is."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from facecli.core import paths
from facecli.core.attributes import CLASS_NAMES
from facecli.core.errors import CheckpointError, InputError, OutputError
from facecli.core.paths import SHIPPED_MODELS
from facecli.models.checkpoint import load_checkpoint, load_detector, write_config, write_json
from facecli.models.registry import describe, find_entry, find_short, list_models, remove, verify

MODEL = b"a network"


def make_model(folder, heads=("gender",), file="model.tflite"):
    """A folder that is right in all but its network."""
    folder.mkdir(parents=True)
    (folder / file).write_bytes(MODEL)
    config = {
        "name": "its own name",
        "model_type": "normal",
        "heads": list(heads),
        "labels": {head: list(CLASS_NAMES[head]) for head in heads},
        "image_size": [8, 8],
        "detectors": {"haar": {"margin": 0.0, "shift_y": 0.0}},
    }
    write_config(folder, config, (file,))
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home, and an installation that ships `normal_model`."""
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    make_model(tmp_path / "shipped" / "normal_model")
    monkeypatch.setattr(paths, "shipped_places", lambda folder: [tmp_path / "shipped"])
    return tmp_path / "home" / "saved_model"


def test_an_empty_home_has_the_shipped_models_only(home, monkeypatch):
    (entry,) = list_models()
    assert (entry.name, entry.shipped, entry.problem, entry.runs) == ("normal_model", True, None, True)
    monkeypatch.setattr(paths, "shipped_places", lambda folder: [])
    assert list_models() == []


def test_names_of_shipped_models_are_those_that_are_packaged():
    manifest = (paths.PACKAGE.parent.parent / "MANIFEST.in").read_text(encoding="utf-8")
    assert set(re.findall(r"saved_model/(\w+)/", manifest)) == set(SHIPPED_MODELS)


def test_own_models_stand_beside_shipped_ones_of_the_same_name(home):
    make_model(home / "normal_model")
    make_model(home / "age_only", heads=("gender", "race"))
    (home / "weights").mkdir()
    assert [(entry.name, entry.shipped) for entry in list_models()] == [
        ("age_only", False),
        ("normal_model", False),
        ("normal_model", True),
    ]


def test_in_a_checkout_only_the_shipped_names_are_shipped(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "checkout"))
    root = tmp_path / "checkout" / "saved_model"
    monkeypatch.setattr(paths, "shipped_places", lambda folder: [root])
    make_model(root / "normal_model")
    make_model(root / "mine")
    assert [(entry.name, entry.shipped) for entry in list_models()] == [
        ("mine", False),
        ("normal_model", True),
    ]


def test_size_and_metrics_are_told(home):
    folder = make_model(home / "mine")
    assert describe(folder).metrics == {}
    write_json(folder / "metrics.json", {"gender": {"accuracy": 0.5}})
    (folder / "epochs").mkdir()
    (folder / "epochs" / "one").write_bytes(b"x" * 1000)
    entry = describe(folder)
    assert entry.metrics["gender"]["accuracy"] == 0.5
    assert entry.size_bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("content", ["", "{", "[]", '{"heads": ["age"]}', '{"format": 99}', "\x00"])
def test_damaged_models_are_listed_with_what_is_wrong(home, content):
    folder = make_model(home / "mine")
    (folder / "config.json").write_text(content)
    (folder / "metrics.json").write_text("[1")
    (entry,) = [entry for entry in list_models() if entry.name == "mine"]
    assert str(folder) in entry.problem and not entry.runs and entry.metrics == {}


def test_a_model_whose_files_are_gone_does_not_run_and_says_so(home):
    folder = make_model(home / "mine")
    (folder / "model.tflite").unlink()
    entry = describe(folder)
    assert str(folder / "model.tflite") in entry.problem and "missing" in entry.problem
    assert not entry.runs and entry.network_bytes == 0


def test_a_folder_that_nobody_may_look_into_is_listed(home, monkeypatch):
    make_model(home / "mine")
    make_model(home / "locked")

    def refusing(function):
        def refuse(path, *arguments, **options):
            if "locked" in path.parts:
                raise PermissionError(13, "Permission denied", str(path))
            return function(path, *arguments, **options)

        return refuse

    for name in ("is_file", "open"):
        monkeypatch.setattr(Path, name, refusing(getattr(Path, name)))
    locked, mine, _ = list_models()
    assert locked.name == "locked" and "Permission denied" in locked.problem and mine.runs
    with pytest.raises(CheckpointError, match="Permission denied"):
        load_checkpoint(paths.find_model("locked"))


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names are text there")
def test_a_folder_whose_name_is_no_text_does_not_run(home):
    folder = make_model(home / "m\udcff")
    (entry,) = [entry for entry in list_models() if entry.folder == folder]
    assert entry.name == r"m\udcff" and "not text" in entry.problem and not entry.runs
    entry.problem.encode("utf-8")


def test_a_damaged_calibration_is_a_problem(home):
    folder = make_model(home / "mine")
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | {"calibration": {"temperatures": {"gender": "warm"}}})
    assert 'calibration.temperatures.gender is "warm", not a number' in describe(folder).problem


def test_a_backbone_without_a_litert_file_does_not_run(home):
    entry = describe(make_model(home / "backbone", file="model.keras"))
    assert entry.problem is None and not entry.runs


def test_models_are_found_by_name_short_name_and_folder(home):
    folder = make_model(home / "age_model")
    assert find_entry("age_model").folder == find_short("age").folder == find_entry(str(folder)).folder
    with pytest.raises(CheckpointError, match="'age'"):
        find_entry("age")
    with pytest.raises(CheckpointError, match="'no'"):
        find_short("no")


@pytest.mark.parametrize("name", ["", " "])
def test_no_name_is_no_model(name):
    with pytest.raises(CheckpointError):
        find_short(name)


def test_whole_files_are_right(home):
    checks = verify(describe(make_model(home / "mine")))
    assert [(check.path.name, check.problem) for check in checks] == [("model.tflite", None)]


def test_changed_and_missing_files_and_foreign_paths_are_wrong(home):
    folder = make_model(home / "mine")
    config = json.loads((folder / "config.json").read_text())
    config["sha256"] |= {"gone.keras": "0" * 64, "../../secret": "0" * 64}
    write_json(folder / "config.json", config)
    (folder / "model.tflite").write_bytes(b"another network")
    changed, gone, foreign = verify(describe(folder))
    assert "sha256" in changed.problem and "missing" in gone.problem and "outside" in foreign.problem


def test_nothing_to_compare_with_is_an_error(home):
    folder = make_model(home / "mine")
    (folder / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="no digests"):
        verify(describe(folder))


def test_an_own_model_is_removed_whole(home):
    folder = make_model(home / "mine")
    (folder / "epochs").mkdir()
    remove(describe(folder))
    assert list(home.iterdir()) == []


def test_a_damaged_model_among_the_own_ones_can_be_removed(home):
    folder = make_model(home / "mine")
    (folder / "config.json").write_text("{")
    remove(describe(folder))
    assert not folder.exists()


def test_shipped_models_stay(home, tmp_path):
    make_model(home / "normal_model")
    with pytest.raises(InputError, match="is shipped with facecli"):
        remove(describe(tmp_path / "shipped" / "normal_model"))
    assert (tmp_path / "shipped" / "normal_model" / "model.tflite").is_file()
    remove(describe(home / "normal_model"))
    assert not (home / "normal_model").exists()


def test_a_folder_that_is_no_model_stays(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "config.json").write_text('{"heads": "a web site"}')
    with pytest.raises(InputError, match="not a model folder"):
        remove(describe(project))
    assert (project / "config.json").is_file()


def test_a_model_around_the_home_or_the_working_folder_stays(tmp_path, home, monkeypatch):
    outer = make_model(tmp_path / "outer")
    (outer / "work").mkdir()
    monkeypatch.chdir(outer / "work")
    with pytest.raises(InputError, match="more than a model"):
        remove(describe(outer))
    assert (outer / "work").is_dir()


def test_of_a_link_only_the_link_is_removed(tmp_path, home):
    elsewhere = make_model(tmp_path / "elsewhere")
    home.mkdir(parents=True)
    (home / "link").symlink_to(elsewhere, target_is_directory=True)
    remove(describe(home / "link"))
    assert not (home / "link").is_symlink() and (elsewhere / "model.tflite").is_file()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_what_cannot_be_removed_is_said(home):
    folder = make_model(home / "mine")
    home.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="cannot remove"):
            remove(describe(folder))
    finally:
        home.chmod(0o700)
    assert (folder / "model.tflite").is_file()


def make_detector(folder, **changes):
    """A detector's folder that is right in all but its network."""
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(MODEL)
    config = {"name": "faces", "model_type": "detector", "score_threshold": 0.5, "cover_threshold": 0.3}
    write_config(folder, {**config, **changes}, ("model.tflite",))
    return folder


def test_a_detector_is_listed_and_reads_no_faces(home):
    entry = describe(make_detector(home / "finder"))
    assert entry.problem is None and entry.finds_faces and not entry.runs
    assert all(check.problem is None for check in verify(entry))
    with pytest.raises(CheckpointError, match="is of a face detector"):
        load_checkpoint(entry.folder)
    remove(entry)
    assert not entry.folder.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"score_threshold": 0}, "score_threshold is 0, not a number between 0 and 1"),
        ({"cover_threshold": "low"}, 'cover_threshold is "low", not a number between 0 and 1'),
        ({"name": 7}, "name is 7, not text"),
    ],
)
def test_a_damaged_detector_is_listed_with_what_is_wrong(home, changes, words):
    assert words in describe(make_detector(home / "finder", **changes)).problem


def test_a_model_is_no_detector(home):
    with pytest.raises(CheckpointError, match="is of no face detector"):
        load_detector(make_model(home / "mine"))
