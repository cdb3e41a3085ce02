import numpy as np
import pytest

from facecli.errors import WeightsError
from facecli.training.features import FeatureStore, facenet_features


def test_an_empty_store(tmp_path):
    store = FeatureStore("trunk", tmp_path)
    assert store.missing([]) == []
    assert store.missing(["a", "b", "a"]) == [0, 1]


def test_what_is_added_is_found_again_in_any_order(tmp_path):
    FeatureStore("trunk", tmp_path).add(["a", "b"], {"tap": np.array([[1.0, 2], [3, 4]])})
    store = FeatureStore("trunk", tmp_path)
    store.add(["c"], {"tap": np.array([[5.0, 6]])})
    again = FeatureStore("trunk", tmp_path)
    assert again.missing(["b", "d", "c"]) == [1]
    assert again.get(["c", "a", "c"], ["tap"])["tap"].tolist() == [[5, 6], [1, 2], [5, 6]]


def test_without_weights_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="facecli weights get facenet"):
        facenet_features([tmp_path / "a.jpg"], ["a"])
