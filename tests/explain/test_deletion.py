"""The hottest tenth: what a true map costs, what a false one does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("keras")
from facecli.explain.face import hottest_mask, measure_deletion  # noqa: E402
from facecli.explain.heat_map import (
    Target,  # noqa: E402
    compute_heat_maps,  # noqa: E402
)

DARK = np.zeros((16, 16, 3), np.float32)
TARGETS = [Target("age"), Target("gender", 1)]


@given(arrays(np.float64, (7, 9), elements=st.floats(-5, 5)), st.floats(0, 1))
def test_the_mask_holds_the_hottest_and_exactly_so_many(order, share):
    mask = hottest_mask(order, share)
    assert mask.sum() == round(63 * share)
    if 0 < mask.sum() < 63:
        assert order[mask].min() >= order[~mask].max()


def test_an_even_map_gives_the_first_pixels():
    assert hottest_mask(np.ones((4, 5)))[0].tolist() == [True, True, False, False, False]


def test_a_true_map_costs_more_than_chance(corner, crop):
    maps = compute_heat_maps(corner, crop, TARGETS, "integrated-gradients", DARK)
    for target, heat in zip(TARGETS, maps, strict=True):
        found = measure_deletion(corner, crop, target, heat.values, DARK)
        assert found.effect_hottest > 3 * found.effect_random > 0
        assert found.effect_hottest > 2 * found.effect_shifted
        assert found.value_hottest < found.value_random < found.value


def test_a_map_of_the_wrong_corner_costs_nothing(corner, crop):
    wrong = np.zeros((16, 16))
    wrong[9:, 9:] = 1
    for target in TARGETS:
        found = measure_deletion(corner, crop, target, wrong, DARK)
        assert found.effect_hottest == pytest.approx(0, abs=1e-4)
        assert found.effect_random > 0
        assert found.value_hottest == pytest.approx(found.value, abs=1e-4)


def test_an_age_is_hurt_in_both_directions(corner, crop):
    """Darkness makes younger; white in place of the hottest makes older: both count as years."""
    values = compute_heat_maps(corner, crop, TARGETS[:1], "integrated-gradients", DARK)[0].values
    younger = measure_deletion(corner, crop, TARGETS[0], values, DARK)
    older = measure_deletion(corner, crop, TARGETS[0], values, DARK + 255)
    assert younger.value_hottest < younger.value < older.value_hottest
    assert min(younger.effect_hottest, older.effect_hottest) > 0


def test_the_same_seed_gives_the_same_numbers(corner, crop):
    values = np.random.default_rng(2).normal(size=(16, 16))
    first, again, other = (
        measure_deletion(corner, crop, TARGETS[1], values, DARK, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.effect_random != other.effect_random


def test_numbers_as_json(corner, crop):
    row = measure_deletion(corner, crop, TARGETS[1], np.ones((16, 16)), DARK, draws=3).to_json()
    assert row["share"] == 0.1
    assert row["draws"] == 3
    assert all(isinstance(value, float) for key, value in row.items() if key != "draws")
