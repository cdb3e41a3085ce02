"""Two networks side by side: names, shapes, and that both are heard alike."""

import keras
import numpy as np
import pytest

from facecli.explain.float_path import float_path
from facecli.models import residual
from facecli.models.build import build_model
from facecli.models.pair import join_pair
from facecli.models.residual import Residual, Stage
from facecli.models.structure import describe

TINY = Residual((4,), (Stage(4, 1), Stage(6, 1)), (16, 16))
HEADS = ("age", "gender")


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(residual.SPECS, "compact", TINY)
    monkeypatch.setitem(residual.SPECS, "pair", TINY._replace(trunks=2))


def alone(seed, heads=HEADS, size=(16, 16)):
    keras.utils.set_random_seed(seed)
    network = build_model("compact", heads, size, {"embedding": 5})
    # Fresh normalisation and biases say the same in every network.
    random = np.random.default_rng(seed)
    network.set_weights([w + np.abs(random.normal(0, 0.01, w.shape)) for w in network.get_weights()])
    return network


def crops(count=3):
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), np.uint8)


def test_a_pair_says_the_mean_of_both():
    first, second = alone(1), alone(2)
    one, other, both = (
        network.predict(crops(), verbose=0) for network in (first, second, join_pair(first, second))
    )
    np.testing.assert_allclose(both["embedding"], (one["embedding"] + other["embedding"]) / 2, atol=1e-5)
    for head in HEADS:
        mean = np.sqrt(one[head] * other[head])
        np.testing.assert_allclose(both[head], mean / mean.sum(axis=1, keepdims=True), atol=1e-5)
        assert np.abs(one[head] - other[head]).max() > 1e-3


def test_a_network_paired_with_itself_says_what_it_says():
    network = alone(1)
    single, both = (one.predict(crops(), verbose=0) for one in (network, join_pair(network, network)))
    for name, values in single.items():
        np.testing.assert_allclose(both[name], values, atol=1e-5)


@pytest.mark.parametrize("other", [{"heads": ("age",)}, {"size": (24, 24)}])
def test_networks_of_two_kinds_are_refused(other):
    with pytest.raises(ValueError, match="same outputs and picture size"):
        join_pair(alone(1), alone(2, **other))


def test_a_saved_pair_is_the_same(tmp_path):
    network = join_pair(alone(1), alone(2))
    network.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    for name, values in network.predict(crops(), verbose=0).items():
        np.testing.assert_allclose(again.predict(crops(), verbose=0)[name], values, atol=1e-6)


def test_all_that_heads_see_flows_through_one_map():
    path = float_path(build_model("pair", HEADS))
    assert path.spatial is not None
    assert tuple(path.spatial.shape[1:]) == (8, 8, 8)


def test_its_structure_tells_the_trunks_apart():
    parts = {part.name: part for part in describe(build_model("pair", HEADS))}
    assert parts["stage0_joined"].sources == ("stage0_block0", "trunk2_stage0_block0")
    assert parts["stage1_down"].sources == parts["trunk2_stage1_down"].sources == ("stage0_joined",)
    assert parts["trunk2_stage1_block0"].parameters == parts["stage1_block0"].parameters > 0
