"""Heads that are sums of finer ones: which are stored, and what they say."""

import numpy as np
import pytest

from facecli.core.attributes import CLASS_NAMES, FINER_HEADS, FOLDS
from facecli.models.readout import fold_heads, fold_matrix, stored_heads


def test_nothing_is_folded_from_nothing():
    assert stored_heads(()) == ()
    assert fold_heads({}, ()) == {}
    empty = fold_heads({"race_7": np.zeros((0, 7), np.float32)}, ("race", "race_7"))
    assert {head: values.shape for head, values in empty.items()} == {"race": (0, 5), "race_7": (0, 7)}


@pytest.mark.parametrize(
    ("heads", "stored"),
    [
        (("age", "race"), ("age", "race")),
        (("race_7",), ("race_7",)),
        (["race", "face", "race_7"], ("face", "race_7")),
    ],
)
def test_a_head_is_stored_unless_its_finer_one_is_there(heads, stored):
    assert stored_heads(heads) == stored


def test_every_finer_class_is_part_of_one_class():
    assert set(FINER_HEADS) == set(FOLDS)
    for head, finer in FINER_HEADS.items():
        matrix = fold_matrix(head)
        assert matrix.shape == (len(CLASS_NAMES[finer]), len(CLASS_NAMES[head]))
        assert (matrix.sum(axis=1) == 1).all()


def test_a_race_is_the_sum_of_its_parts_whatever_the_network_says_of_it():
    seven = np.array([[0.1, 0.2, 0.05, 0.15, 0.2, 0.0, 0.3]], np.float32)
    age = np.ones((1, 117), np.float32)
    outputs = {"race": np.full((1, 5), 0.2, np.float32), "age": age, "race_7": seven}
    found = fold_heads(outputs, ("age", "race", "race_7"))
    assert list(found) == ["age", "race", "race_7"]
    np.testing.assert_allclose(found["race"], [[0.1, 0.2, 0.35, 0.0, 0.35]], atol=1e-7)
    assert found["race"].dtype == np.float32
    assert found["age"] is age and found["race_7"] is seven
    assert fold_heads(outputs, ("race",))["race"] is outputs["race"]
