import cv2
import keras
import numpy as np
import pytest

from facecli.core.errors import WeightsError
from facecli.training.teachers import TAPS, FeatureStore, facenet_features, mobilenet_features


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
    assert again.get(["c", "a", "c"])["tap"].tolist() == [[5, 6], [1, 2], [5, 6]]


@pytest.mark.parametrize(
    ("features", "remedy"),
    [
        (facenet_features, "facecli weights get facenet"),
        (mobilenet_features, "facecli weights get mobilenet"),
    ],
)
def test_without_weights_the_remedy_is_named(tmp_path, monkeypatch, features, remedy):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=remedy):
        features([tmp_path / "a.jpg"], ["a"])


@pytest.mark.parametrize("features", [facenet_features, mobilenet_features])
def test_weights_that_are_no_weights_are_refused(tmp_path, monkeypatch, features):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    (tmp_path / "weights.pb").write_bytes(b"no graph")
    with pytest.raises(WeightsError, match="weights.pb"):
        features([tmp_path / "a.jpg"], ["a"], tmp_path / "weights.pb")


def test_features_are_computed_once_and_follow_the_order_of_the_files(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    files = []
    for value in (10, 200):
        files.append(tmp_path / f"{value}.png")
        cv2.imwrite(str(files[-1]), np.full((8, 8, 3), value, np.uint8))
    seen = []

    def load(path=None):
        def network(crops):
            seen.append(len(crops))
            return {"mobilenet": crops[:, 0, 0, :1].astype(np.float32)}

        return network

    monkeypatch.setattr("facecli.models.pretrained.load_mobilenet", load)
    assert mobilenet_features(files, ["a", "b"])["mobilenet"][:, 0].tolist() == [10, 200]
    assert mobilenet_features(files[::-1], ["b", "a"])["mobilenet"][:, 0].tolist() == [200, 10]
    assert seen == [2]


def test_features_of_many_pictures_are_written_some_chunks_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    monkeypatch.setattr("facecli.training.teachers.CHUNK_ROWS", 2)
    monkeypatch.setattr("facecli.training.teachers.CHUNKS_A_WRITE", 3)
    files = [tmp_path / f"{value}.png" for value in range(15)]
    for value, file in enumerate(files):
        cv2.imwrite(str(file), np.full((8, 8, 3), value, np.uint8))
    looks = []

    def load(path=None):
        def network(crops):
            looks.append(len(crops))
            if len(looks) == 6:
                raise KeyboardInterrupt
            return {"mobilenet": crops[:, 0, 0, :1].astype(np.float32)}

        return network

    monkeypatch.setattr("facecli.models.pretrained.load_mobilenet", load)
    keys = [str(value) for value in range(15)]
    with pytest.raises(KeyboardInterrupt):
        mobilenet_features(files, keys)
    # Five chunks of two were looked at: three were written together, two when it ended.
    found = mobilenet_features(files, keys)["mobilenet"][:, 0]
    assert found.tolist() == list(range(15)) and looks[6:] == [2, 2, 1]


def test_each_margin_and_mirror_has_features_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path))
    picture = np.zeros((160, 160, 3), np.uint8)
    picture[60:100, 70:] = 200
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), picture)
    image = keras.Input((160, 160, 3), dtype="uint8")
    middle = keras.layers.Flatten()(keras.layers.AveragePooling2D(80)(keras.layers.Rescaling(1.0)(image)))
    trunk = keras.Model(image, dict.fromkeys(TAPS, middle))
    monkeypatch.setattr("facecli.models.pretrained.load_facenet", lambda path, taps: trunk)

    def look(**how):
        return facenet_features([file], ["a"], taps=("embedding",), **how)["embedding"][0].tolist()

    looks = [look(margin=-0.1), look(), look(margin=0.2), look(flip=True), look(margin=0.2, flip=True)]
    assert len({tuple(one) for one in looks}) == 5
    assert [look(margin=-0.1), look(margin=0.0), look(margin=0.2)] == looks[:3]
    # Closer, the bright bar fills more of the picture.
    assert sum(looks[0]) > sum(looks[1]) > sum(looks[2])
