import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.attributes import GENDERS, RACES
from facecli.training.metrics import AgeFigures, age_figures, class_figures, skewed


def sure(classes, *answers):
    return np.eye(classes, dtype="float32")[list(answers)]


def test_without_a_label_there_are_no_figures():
    assert class_figures(GENDERS, np.array([], int), np.zeros((0, 2))) is None
    assert class_figures(GENDERS, np.array([-1]), sure(2, 0)) is None
    missing = np.array([-1])
    assert age_figures(missing, missing, missing, sure(117, 30)) is None


def test_each_class_is_told_by_itself():
    row = class_figures(GENDERS, np.array([0, 0, 0, 1, -1]), sure(2, 0, 0, 0, 0, 1))
    assert row.count == 4 and row.accuracy == 0.75
    assert row.by_class == {"male": 1.0, "female": 0.0}
    assert row.skew == pytest.approx({"male": 0.25, "female": -0.25})
    assert row.worst_skew[0] in ("male", "female")


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_what_one_class_gains_others_lose(pairs):
    true, said = np.array(pairs).T
    row = class_figures(RACES, true, sure(5, *said))
    assert sum(row.skew.values()) == pytest.approx(0)
    assert set(row.by_class) == {("white", "black", "asian", "indian", "other")[index] for index in true}


def test_a_class_that_is_said_too_often_is_named():
    fine = class_figures(GENDERS, np.array([0, 1] * 50), sure(2, *[0, 1] * 50))
    skew = class_figures(GENDERS, np.array([0, 1] * 50), sure(2, *[0, 1] * 46, *[0, 0] * 4))
    assert skewed({"gender": fine}, "fairface") == []
    (told,) = skewed({"gender": skew, "age": AgeFigures(1, 3.0, None, None)}, "fairface")
    assert "fairface" in told and "gender" in told and "4.0 points" in told


def test_ages_by_year_and_by_bin():
    row = age_figures(
        np.array([30, -1, -1, -1]),
        np.array([-1, 20, 20, -1]),
        np.array([-1, 29, 29, -1]),
        sure(117, 33, 25, 34, 99),
    )
    assert row == AgeFigures(count=3, mae=3.0, in_bin=0.5, outside=2.5)


@given(st.integers(0, 116), st.integers(0, 115), st.integers(0, 30))
def test_an_age_is_in_its_bin_when_it_rounds_to_a_year_of_it(said, low, width):
    high = min(low + width, 116)
    row = age_figures(np.array([-1]), np.array([low]), np.array([high]), sure(117, said))
    assert row.in_bin == float(low <= said <= high)
    assert (row.outside == 0) == (low <= said <= high)
