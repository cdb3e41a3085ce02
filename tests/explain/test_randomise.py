"""A map of what was learnt is lost with what was learnt."""

import numpy as np
import pytest
from explain_networks import explained_network

keras = pytest.importorskip("keras")
from facecli.explain.face import randomised, rank_correlation  # noqa: E402
from facecli.explain.heat_map import (  # noqa: E402
    Target,  # noqa: E402
    compute_heat_maps,
    reference_of,
)
from facecli.models.networks import (  # noqa: E402
    Residual,
    Stage,
    attach_heads,  # noqa: E402
    build_residual,
)

FEMALE = Target("gender", 1)
TINY = Residual((8,), (Stage(8, 1), Stage(8, 1)), (16, 16))


@pytest.fixture(scope="module")
def trained():
    """A small residual network that has learnt to call faces with a bright top left corner female."""
    keras.utils.set_random_seed(5)
    random = np.random.default_rng(5)
    crops = random.integers(0, 256, (384, 16, 16, 3)).astype(np.uint8) // 2
    female = np.arange(384) % 2
    crops[female == 1, :5, :5] += 110
    network = attach_heads(build_residual(TINY), ("gender",), dropout=0.0)
    network.compile(keras.optimizers.Adam(3e-3), {"gender": "sparse_categorical_crossentropy"})
    network.fit(crops, {"gender": female}, epochs=6, batch_size=32, verbose=0)
    return explained_network(network, ("gender",)), crops[female == 1][:4]


@pytest.mark.parametrize("method", ["integrated-gradients", "grad-cam", "smooth-grad"])
def test_shuffled_weights_change_the_map(trained, method):
    network, crops = trained
    found = []
    for crop in crops:
        reference = reference_of(crop, "mean")
        (heat,) = compute_heat_maps(network, crop, [FEMALE], method, reference)
        with randomised(network.network):
            (other,) = compute_heat_maps(network, crop, [FEMALE], method, reference)
        (again,) = compute_heat_maps(network, crop, [FEMALE], method, reference)
        assert rank_correlation(heat.values, again.values, FEMALE) == pytest.approx(1, abs=1e-3)
        found.append(rank_correlation(heat.values, other.values, FEMALE))
    assert np.mean(found) < 0.5


def test_what_was_learnt_is_where_it_was_shown(trained):
    network, crops = trained
    for crop in crops:
        (heat,) = compute_heat_maps(
            network, crop, [FEMALE], "integrated-gradients", reference_of(crop, "mean")
        )
        rows, columns = np.unravel_index(np.argsort(-heat.values.ravel())[:12], heat.values.shape)
        assert np.mean((rows < 7) & (columns < 7)) > 0.7


def test_weights_come_back_even_after_an_error(trained):
    network = trained[0].network
    before = network.get_weights()
    with pytest.raises(RuntimeError), randomised(network):
        changed = [
            not np.array_equal(one, was) for one, was in zip(network.get_weights(), before, strict=True)
        ]
        raise RuntimeError
    assert sum(changed) > len(before) / 3
    for now, was in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, was)


def test_correlation_of_known_maps():
    values = np.arange(12.0).reshape(3, 4)
    assert rank_correlation(values, values**3, FEMALE) == pytest.approx(1)
    assert rank_correlation(values, -values, FEMALE) == pytest.approx(-1)
    # Of an age both directions are hot.
    assert rank_correlation(values, -values, Target("age")) == pytest.approx(1)
    assert rank_correlation(values, np.ones((3, 4)), FEMALE) == 0
