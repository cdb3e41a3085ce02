"""What is explained: years, and log-odds that do not drown where a model is sure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

keras = pytest.importorskip("keras")
from facecli.explain.heat_map import HEADS, Target, predicted_target  # noqa: E402
from facecli.models.readout import expected_age  # noqa: E402


def score(target, probabilities):
    tensor = keras.ops.convert_to_tensor(np.asarray(probabilities, np.float32))
    return keras.ops.convert_to_numpy(target.score(tensor))


def test_no_rows():
    assert score(Target("age"), np.zeros((0, 117))).shape == (0,)


def test_face_is_not_explained():
    assert "face" not in HEADS


@given(st.lists(st.floats(0.01, 1), min_size=117, max_size=117))
def test_an_age_is_the_expectation_that_run_reads(weights):
    row = np.array([weights]) / np.sum(weights)
    np.testing.assert_allclose(score(Target("age"), row), expected_age(row), rtol=1e-4)


@given(st.floats(0.001, 0.999))
def test_a_class_is_its_log_odds(share):
    np.testing.assert_allclose(
        score(Target("gender", 1), [[1 - share, share]]), np.log(share / (1 - share)), atol=1e-3
    )


def test_log_odds_of_a_sure_model_still_differ():
    rows = [[1e-9, 1.0], [1e-12, 1.0]]
    first, second = score(Target("gender", 1), rows)
    assert second - first == pytest.approx(np.log(1000), rel=1e-3)


def test_the_most_probable_class_is_taken():
    assert predicted_target("emotion", np.array([0, 0, 0, 0.9, 0.1, 0, 0])).name == "happy"
    assert predicted_target("age", np.ones(117)).class_index is None


def test_heat_is_for_a_class_and_either_way_for_an_age():
    values = np.array([-3.0, 1.0])
    assert Target("gender", 0).order(values).argmax() == 1
    assert Target("age").order(values).argmax() == 0
