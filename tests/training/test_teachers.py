import numpy as np
import pandas as pd
import pytest

from facecli.training import teachers
from facecli.training.prepare import PreparedData
from facecli.training.teachers import LOOK_MARGINS, projections, teacher_features, teacher_looks


@pytest.fixture
def data(tmp_path):
    frame = pd.DataFrame(
        {
            "file": [f"{row}.jpg" for row in range(6)],
            "sha256": list("abcdef"),
            "split": ["train", "train", "train", "val", "test", "train"],
        }
    )
    return PreparedData(tmp_path, frame.assign(set="faces"), {"faces": "digest"})


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    """What the teachers were shown; their features are the key's letter number."""
    shown = []

    def facenet(files, keys, weights=None, flip=False, margin=0.0):
        shown.append(list(keys))
        values = np.array([[float(ord(key)), 1.0 + margin] for key in keys], np.float32).reshape(-1, 2)
        return {"embedding": values, "block17": 10 + values, "block8": 20 + values}

    def mobilenet(files, keys, flip=False):
        return {"mobilenet": facenet(files, keys)["embedding"]}

    monkeypatch.setattr(teachers, "facenet_features", facenet)
    monkeypatch.setattr(teachers, "mobilenet_features", mobilenet)
    return shown


def test_no_teacher_has_no_features(data):
    assert projections([]) == {}
    assert teacher_features(data, np.array([0, 1]), []) == {}


def test_projections_of_all_teachers():
    assert projections(["facenet", "mobilenet"]) == {"embedding": 512, "block17": 896, "mobilenet": 1024}


def test_rows_that_are_not_asked_for_are_not_shown_and_stay_zero(data, seen):
    found = teacher_features(data, np.array([0, 1, 2, 3]), ["facenet"])
    assert seen == [["a", "b", "c", "d"]]
    assert not found["embedding"][4:].any() and not found["block17"][4:].any()
    assert len(found["embedding"]) == 6


def test_middle_features_are_standardised_over_training_rows_only(data):
    found = teacher_features(data, np.array([0, 1, 2, 3]), ["facenet", "mobilenet"])
    assert found["embedding"][:, 0].tolist()[:4] == [97, 98, 99, 100]
    for tap in ("block17", "mobilenet"):
        assert found[tap][:3, 0].mean() == pytest.approx(0, abs=1e-5)
        assert found[tap][:3, 0].std() == pytest.approx(1, abs=1e-3)
        assert found[tap][3, 0] > found[tap][2, 0]
        assert np.isfinite(found[tap]).all()


def test_unlabelled_faces_are_looked_at_but_nothing_is_standardised_by_them(data, seen):
    found = teacher_features(data, np.array([0, 1, 3]), ["facenet", "mobilenet"], unlabelled=[2, 5])
    assert seen == [["a", "b", "d", "c", "f"]] * 2
    assert found["embedding"][[2, 5]].any(axis=1).all() and found["mobilenet"][[2, 5]].any(axis=1).all()
    # Standardised over the labelled training rows, a and b, whatever else was looked at.
    assert found["mobilenet"][:2, 0].mean() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("asked", "width"), [(["facenet"], 6), (["mobilenet"], 2), (["facenet", "mobilenet"], 8)]
)
def test_each_look_has_all_features_of_its_crop(data, asked, width):
    looks = teacher_looks(data, np.array([0, 2, 5]), asked)
    assert [look.shape for look in looks] == [(6, width)] * len(LOOK_MARGINS)
    for look, margin in zip(looks, LOOK_MARGINS, strict=True):
        assert look[[0, 2, 5]].any(axis=1).all() and not look[[1, 3, 4]].any()
        seen = look[0, -1] % 10
        assert seen == pytest.approx(1 + margin if "facenet" in asked else 1, abs=1e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_looks_are_the_first_of_all(data, count):
    rows = np.array([0, 2, 5])
    every, few = teacher_looks(data, rows, ["facenet"]), teacher_looks(data, rows, ["facenet"], looks=count)
    assert len(few) == count and all((one == other).all() for one, other in zip(few, every, strict=False))


def test_a_look_at_nobody(data):
    assert not any(look.any() for look in teacher_looks(data, np.array([], int), ["facenet"]))
