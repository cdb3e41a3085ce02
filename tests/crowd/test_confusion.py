"""Where a model's confusions are read from, and what is not believed."""

import json

import pytest

from facecli.core.paths import find_model
from facecli.crowd.correct import load_confusions, typical_age_error
from facecli.models.checkpoint import Checkpoint


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model folder with the given metrics; no statistics of it."""
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))

    def build(metrics=None):
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        if metrics is not None:
            text = metrics if isinstance(metrics, str) else json.dumps(metrics)
            (folder / "metrics.json").write_text(text, encoding="utf-8")
        return Checkpoint(folder, {"name": "mine", "heads": ["age", "gender", "race"]})

    return build


@pytest.mark.parametrize("metrics", [None, "", "{", "[]", "3", {}, {"gender": 3}, {"gender": {"count": 0}}])
def test_a_model_that_was_not_measured_has_none(model, metrics):
    assert load_confusions(model(metrics)) == {}
    assert typical_age_error(model(metrics)) is None


def test_counts_of_the_metrics(model):
    found = load_confusions(
        model({"split": "test", "age": {"mae": 4.5}, "gender": {"count": 10, "confusion": [[4, 1], [2, 3]]}})
    )
    assert found["gender"].counts.tolist() == [[4, 1], [2, 3]]
    assert (found["gender"].faces, found["gender"].data) == (10, "the test split of its data")
    assert typical_age_error(model()) == 4.5


@pytest.mark.parametrize(
    "counts", [[], [[1, 2]], [[1, 2], [3]], [[1, 2], [3, -4]], [[1, 2], [3, 0.5]], [[1, 2], [3, "4"]],
               {"a": 1}, "x",
               [[1, 2], [3, True]], [[1, 2], [3, 10**30]]],
)  # fmt: skip
def test_damaged_counts_are_not_used(model, counts):
    assert load_confusions(model({"gender": {"count": 10, "confusion": counts}})) == {}


def write_table(home, head_file, text):
    path = home / "statistics" / "model_metrics" / "mine" / head_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_tables_of_an_evaluation_stand_in_for_what_the_metrics_lack(model, tmp_path):
    write_table(tmp_path / "home", "gender_confusion.csv", "true,male,female\nfemale,2,3\nmale,4,1\n")
    names = "white,black,asian,indian,other"
    rows = "".join(f"{name},1,2,3,4,5\n" for name in names.split(","))
    write_table(tmp_path / "home", "fairface/race_confusion.csv", f"true,{names}\n{rows}")
    found = load_confusions(model({}))
    assert found["gender"].counts.tolist() == [[4, 1], [2, 3]]
    assert (found["race"].data, found["race"].faces) == ("fairface", 75)


@pytest.mark.parametrize(
    "text", ["", "true,male,female\nmale,4,1\n", "true,male,female\nmale,4,x\nfemale,1,1\n"]
)
def test_a_damaged_table_is_not_used(model, tmp_path, text):
    write_table(tmp_path / "home", "gender_confusion.csv", text)
    assert load_confusions(model({})) == {}


@pytest.mark.parametrize(
    ("name", "heads"),
    [("facenet_model", {"gender", "race", "emotion"}), ("normal_model", {"gender", "race"})],
)
def test_the_shipped_models_carry_their_counts(monkeypatch, tmp_path, name, heads):
    """Without the statistics, as an installed package is."""
    from facecli.models.checkpoint import load_checkpoint

    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    checkpoint = load_checkpoint(find_model(name))
    metrics = json.loads((checkpoint.folder / "metrics.json").read_text(encoding="utf-8"))
    found = load_confusions(checkpoint)
    assert set(found) == heads
    for head, confusion in found.items():
        assert confusion.faces == metrics[head]["count"]
        right = confusion.counts.trace() / confusion.faces
        assert right == pytest.approx(metrics[head]["accuracy"])
