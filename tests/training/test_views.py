import json

import keras
import numpy as np
import pytest
from keras import ops

from facecli.training.soft_labels import ViewMaker, build_views

SIDE, SEEN, SIZE = 24, 16, 12


def teacher():
    """Says how bright what it sees is, and nothing but that."""
    image = keras.Input((SEEN, SEEN, 3), dtype="uint8")
    brightness = ops.mean(ops.cast(image, "float32"), axis=(1, 2, 3), keepdims=True)[:, :, 0, 0]
    return keras.Model(image, {"gender": brightness / 255})


@pytest.fixture(scope="module")
def maker():
    return ViewMaker(teacher(), (SIZE, SIZE), seed=1)


@pytest.fixture(scope="module")
def crops():
    """Smooth pictures: a view is as bright as its middle."""
    brightness = np.linspace(40, 200, 300)[:, None, None, None]
    return np.broadcast_to(brightness, (300, SIDE, SIDE, 3)).astype(np.uint8)


def test_no_pictures(maker, tmp_path):
    views = build_views(maker, np.zeros((0, SIDE, SIDE, 3), np.uint8), 2, 1, tmp_path)
    assert views.crops.shape == (0, SIZE, SIZE, 3) and views.answers["gender"].shape == (0, 1)


def test_the_answer_is_about_the_very_view(maker, crops, tmp_path):
    views = build_views(maker, crops, 2, 1, tmp_path)
    assert views.crops.shape == (600, SIZE, SIZE, 3) and views.crops.dtype == np.uint8
    assert views.answers["gender"].dtype == np.float16
    np.testing.assert_allclose(
        views.crops.mean(axis=(1, 2, 3)) / 255, views.answers["gender"][:, 0], atol=0.01
    )


def test_every_view_is_another_one_and_the_seed_decides(maker, crops, tmp_path):
    first = build_views(maker, crops, 2, 1, tmp_path / "a").crops
    again = build_views(maker, crops, 2, 1, tmp_path / "b").crops
    other = build_views(maker, crops, 2, 2, tmp_path / "c").crops
    assert (first == again).all()
    assert (first[:300] != first[300:]).any(axis=(1, 2, 3)).mean() > 0.9
    assert (first != other).any(axis=(1, 2, 3)).mean() > 0.9


def test_a_killed_run_goes_on_where_it_stopped(maker, crops, tmp_path, monkeypatch):
    whole = build_views(maker, crops, 2, 1, tmp_path / "whole")
    kept = build_views(maker, crops, 2, 1, tmp_path / "killed")
    kept.crops[300 + 256 :] = 0
    kept.crops.flush()
    state = tmp_path / "killed" / "state.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "done": 3}))
    looked = []
    predict = ViewMaker.predict_on_batch
    monkeypatch.setattr(
        ViewMaker, "predict_on_batch", lambda self, batch: looked.append(len(batch)) or predict(self, batch)
    )
    resumed = build_views(maker, crops, 2, 1, tmp_path / "killed")
    assert len(looked) == 1
    assert (resumed.crops == whole.crops).all()


def test_views_of_another_recipe_are_made_anew(maker, crops, tmp_path):
    build_views(maker, crops, 2, 1, tmp_path)
    assert len(build_views(maker, crops[:10], 1, 1, tmp_path).crops) == 10
