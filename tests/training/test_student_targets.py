import numpy as np
import pandas as pd
import pytest

from facecli.core.recipes import DistilRequest, FitOptions
from facecli.training import distil, soft_labels
from facecli.training.distil import frozen_targets, softened_labels
from facecli.training.prepare import PreparedData, build_targets

ROWS = 40


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Faces whose features tell their gender; the last eight are not for training."""
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    monkeypatch.setattr(soft_labels, "TEACHER", FitOptions(epochs=1, batch_size=16))
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age_years": random.integers(1, 90, ROWS),
            "gender": random.integers(0, 2, ROWS),
            "race": random.integers(0, 5, ROWS),
            "face": 1,
            "group": np.arange(ROWS),
            "split": ["train"] * 32 + ["val"] * 4 + ["test"] * 4,
        }
    )
    return PreparedData(tmp_path, frame.assign(set="faces"), {"faces": "digest"})


@pytest.fixture(autouse=True)
def looks(monkeypatch):
    """The rows of which frozen teachers were asked, each time."""
    asked = []

    def values():
        return np.random.default_rng(1).normal(size=(ROWS, 6)).astype(np.float32)

    def features(data, rows, teachers, weights, unlabelled):
        return {"embedding": values(), "block17": values()}

    def looks(data, rows, teachers, weights, looks):
        asked.append(rows)
        return [values()]

    monkeypatch.setattr(distil, "teacher_features", features)
    monkeypatch.setattr(distil, "teacher_looks", looks)
    return asked


def softened(data, tmp_path, **asked):
    return softened_labels(data, DistilRequest(**asked), tmp_path / "epochs", FitOptions())


def test_without_teachers_labels_stay_as_they_are(data, tmp_path, looks):
    found = softened(data, tmp_path, teachers=())
    for head, hard in build_targets(data.frame, ("age", "gender", "race")).items():
        assert (found[head] == hard).all()
    assert not looks


def test_training_rows_are_softened_and_no_others(data, tmp_path, looks):
    found = softened(data, tmp_path)["gender"]
    hard = build_targets(data.frame, ("gender",))["gender"]
    assert (found[:32] != hard[:32]).any(axis=1).all()
    assert (found[32:] == hard[32:]).all()
    assert looks[0].tolist() == list(range(32))


def test_what_was_softened_is_kept(data, tmp_path, looks):
    first, again = softened(data, tmp_path), softened(data, tmp_path)
    assert len(looks) == 1
    assert all((first[head] == again[head]).all() for head in first)


def test_other_heads_are_softened_too(data, tmp_path, looks):
    softened(data, tmp_path, heads=("gender",))
    race = softened(data, tmp_path, heads=("gender", "race"))["race"]
    assert len(looks) == 2
    assert (race[:32] != build_targets(data.frame, ("race",))["race"][:32]).any(axis=1).all()


def test_a_face_without_labels_has_features_alone(data, tmp_path):
    bare = [30, 31, 32, 33, 39]
    data.frame.loc[bare, ["age_years", "gender", "race"]] = -1
    found = frozen_targets(data, DistilRequest(), tmp_path / "epochs", FitOptions())
    for head in ("age", "gender", "race"):
        assert not found[head][bare].any() and found[head][:30].any(axis=1).all()
    assert found["embedding"].any(axis=1).all()
