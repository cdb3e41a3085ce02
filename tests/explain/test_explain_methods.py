"""Each method on networks whose truth is known: the place that matters is lit, the rest stays dark."""

import numpy as np
import pytest
from explain_networks import CORNER, SIDE, bright_network, explained_network

keras = pytest.importorskip("keras")
from facecli.core.errors import FacecliError, InputError  # noqa: E402
from facecli.explain import METHODS, network  # noqa: E402
from facecli.explain.heat_map import (  # noqa: E402
    REFERENCES,
    Target,  # noqa: E402
    compute_heat_maps,
    integrated_gradients,
    reference_of,
    shapley,
)
from facecli.models.networks import (  # noqa: E402
    Residual,
    Stage,
    attach_heads,  # noqa: E402
    build_residual,
)

TINY = Residual((4,), (Stage(4, 1), Stage(6, 1)), (16, 16))
FEMALE, AGE = Target("gender", 1), Target("age")
DARK = np.zeros((SIDE, SIDE, 3), np.float32)


def inside(values):
    """Share of a map's size that lies in the corner or within a pixel of it (maps are smoothed)."""
    size = np.abs(values)
    return size[:7, :7].sum() / size.sum()


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_asked(corner, crop, method):
    assert compute_heat_maps(corner, crop, [], method, DARK) == []


@pytest.mark.parametrize("method", ["integrated-gradients", "smooth-grad", "shap"])
def test_what_looks_at_a_corner_has_its_heat_there(corner, crop, method):
    if method == "shap":
        pytest.importorskip("shap")
    maps = compute_heat_maps(corner, crop, [AGE, FEMALE], method, DARK)
    assert len(maps) == 2
    for heat in maps:
        assert heat.values.shape == (SIDE, SIDE)
        assert heat.values[2, 2] > 10 * np.abs(heat.values[10:, 10:]).max()
        # The corner is cut by the borders of shap's rectangles.
        assert inside(heat.values) > (0.85 if method == "shap" else 0.95)


def test_grad_cam_finds_the_bright_corner(bright, crop):
    (heat,) = compute_heat_maps(bright, crop, [FEMALE], "grad-cam", DARK)
    assert heat.values.min() >= 0
    assert not heat.signed
    assert heat.values[CORNER].mean() > 3 * heat.values[8:, 8:].mean()


def test_grad_cam_says_when_nothing_speaks_for_the_class(bright, crop):
    (heat,) = compute_heat_maps(bright, crop, [Target("gender", 0)], "grad-cam", DARK)
    assert heat.values.max() == 0


def test_grad_cam_needs_a_feature_map(crop):
    image = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    x = keras.layers.Flatten()(image)
    network = keras.Model(image, {"gender": keras.layers.Dense(2, "softmax")(x)})
    with pytest.raises(InputError, match="no feature map"):
        compute_heat_maps(explained_network(network, ("gender",)), crop, [FEMALE], "grad-cam", DARK)


@pytest.mark.parametrize("reference", REFERENCES)
def test_integrated_gradients_share_out_the_whole_difference(corner, crop, reference):
    start = reference_of(crop, reference)
    age, female = integrated_gradients(corner, crop, [AGE, FEMALE], start)
    # Log-odds of this network are linear; an expectation is not.
    assert female.residual == pytest.approx(0, abs=1e-3)
    assert age.residual == pytest.approx(0, abs=0.02 * abs(age.additive[1] - age.additive[0]) + 1e-3)
    assert female.additive[1] == pytest.approx(corner.scores(crop[None], FEMALE)[0], abs=1e-5)
    assert female.additive[0] == pytest.approx(corner.scores(start[None], FEMALE)[0], abs=1e-5)


def test_values_of_a_linear_network_are_weight_times_way(corner, crop):
    """Log-odds grow by 8/108 for each channel of each pixel that goes from 0 to 255."""
    flat = np.full_like(crop, 255)
    (heat,) = integrated_gradients(corner, flat, [FEMALE], DARK)
    assert heat.values[1, 1] == pytest.approx(3 * 8 / 108, rel=1e-2)
    assert heat.values.sum() == pytest.approx(8, rel=1e-3)


def test_nothing_differs_from_the_reference(corner, crop):
    (heat,) = integrated_gradients(corner, crop, [FEMALE], crop.astype(np.float32))
    assert np.all(heat.values == 0)


def test_shap_shares_out_the_whole_difference(corner, crop):
    pytest.importorskip("shap")
    for heat in shapley(corner, crop, [AGE, FEMALE], DARK, evaluations=200):
        assert heat.residual == pytest.approx(0, abs=1e-3)
        assert heat.additive[1] > heat.additive[0]


def test_shap_that_is_not_installed(corner, crop, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FacecliError, match=r"\[explain\]"):
        compute_heat_maps(corner, crop, [AGE], "shap", DARK)


def test_gradients_on_another_backend_are_refused(corner, crop, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="tensorflow, not jax"):
        compute_heat_maps(corner, crop, [AGE], "integrated-gradients", DARK)


def test_gradients_are_those_of_small_differences(bright, crop):
    picture = crop.astype(np.float32)[None]
    (found,) = network.input_gradients(bright._path.model, picture, [FEMALE])
    for row, column in ((1, 1), (4, 3), (12, 9)):
        step = np.zeros_like(picture)
        step[0, row, column, 1] = 2
        change = bright.scores(picture + step, FEMALE) - bright.scores(picture - step, FEMALE)
        assert found[0, row, column, 1] == pytest.approx(change[0] / 4, abs=2e-4)


def test_no_faces_are_read_as_none():
    """A batch norm refuses an empty batch."""
    network = explained_network(attach_heads(build_residual(TINY), ("age", "gender")), ("age", "gender"))
    found = network.predict(np.zeros((0, SIDE, SIDE, 3), np.uint8))
    assert {head: one.shape for head, one in found.items()} == {"age": (0, 117), "gender": (0, 2)}


def test_outputs_are_calibrated_for_people_only(crop):
    network = explained_network(bright_network(), ("gender",))
    network.checkpoint.config["calibration"] = {"temperatures": {"gender": 4.0}}
    tempered = type(network)(network.network, network.checkpoint)
    assert tempered.predict(crop[None])["gender"].max() < network.predict(crop[None])["gender"].max()
    np.testing.assert_array_equal(tempered.scores(crop[None], FEMALE), network.scores(crop[None], FEMALE))
