"""Shares without the model's confusions: against formulas, and against crowds of known shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.crowd.correct import correct_shares, most_likely

GENDER = np.array([[990, 68], [81, 875]])


def test_nobody_or_an_unmeasured_class_is_not_corrected():
    assert correct_shares([0, 0], GENDER) is None
    assert correct_shares([3, 4], [[10, 0], [0, 0]]) is None


def test_a_model_that_never_errs_changes_nothing():
    found = correct_shares([30, 70], [[5000, 0], [0, 5000]], draws=300)
    assert found.share == pytest.approx([0.3, 0.7], abs=1e-4)
    assert found.fits
    assert np.all(found.low <= found.share) and np.all(found.share <= found.high)


@given(st.integers(0, 200), st.integers(0, 200), st.floats(0.6, 0.999), st.floats(0.6, 0.999))
@settings(max_examples=60)
def test_two_classes_are_rogan_and_gladen_kept_within_0_and_1(hits, others, sensitivity, specificity):
    if hits + others == 0:
        return
    called = np.array([[[sensitivity, 1 - sensitivity], [1 - specificity, specificity]]])
    said = hits / (hits + others)
    (share,) = most_likely(np.array([[said, 1 - said]]), called)
    expected = np.clip((said + specificity - 1) / (sensitivity + specificity - 1), 0, 1)
    assert share[0] == pytest.approx(expected, abs=2e-3)
    assert share.sum() == pytest.approx(1)


def test_answers_that_nobody_is_known_to_get_explain_no_shares():
    never_male = [[0, 14], [0, 21]]
    found = correct_shares([1, 0], never_male, draws=50)
    assert found.share == pytest.approx([0.5, 0.5])
    assert not correct_shares([7, 0], never_male, draws=200).fits


@given(st.integers(2, 7), st.data())
@settings(max_examples=25, deadline=None)
def test_shares_are_numbers_between_their_bounds(classes, data):
    counts = st.lists(st.integers(0, 9), min_size=classes, max_size=classes)
    said, confusion = data.draw(counts), data.draw(st.lists(counts, min_size=classes, max_size=classes))
    found = correct_shares(said, confusion, draws=10)
    if found is not None:
        assert found.share.sum() == pytest.approx(1)
        assert np.all(found.low >= 0) and np.all(found.low <= found.share)
        assert np.all(found.share <= found.high) and np.all(found.high <= 1 + 1e-9)


def test_what_a_known_mixture_leads_to_is_undone():
    called = np.array([[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.05, 0.05, 0.9]])
    true = np.array([0.6, 0.1, 0.3])
    (share,) = most_likely((true @ called)[None], called[None])
    assert share == pytest.approx(true, abs=1e-3)


def test_a_biased_model_is_corrected_and_the_interval_widens():
    """A model that calls a fifth of the women men."""
    confusion = np.array([[950, 50], [200, 800]])
    found = correct_shares([425 + 50, 425 + 100], confusion, draws=500)
    raw_width = 2 * 1.645 * np.sqrt(0.475 * 0.525 / 1000)
    assert found.share[1] == pytest.approx((0.525 - 0.05) / 0.75, abs=5e-3)
    assert found.high[1] - found.low[1] > 1.2 * raw_width


def test_intervals_hold_the_true_shares_about_as_often_as_they_say():
    random, held, trials = np.random.default_rng(5), 0, 120
    true_called = GENDER / GENDER.sum(axis=1, keepdims=True)
    for _ in range(trials):
        share = random.dirichlet((1, 1))
        measured = np.array([random.multinomial(1000, row) for row in true_called])
        found = correct_shares(random.multinomial(100, share @ true_called), measured, draws=200)
        held += found.low[0] <= share[0] <= found.high[0]
    assert 0.8 <= held / trials <= 0.98


def test_few_people_who_are_alike_are_not_certainty():
    found = correct_shares([5, 0], GENDER, draws=400)
    assert found.low[0] < 0.8 and found.high[1] > 0.2


def test_answers_that_no_shares_explain_are_noticed():
    """Of every class a fifth is called the third one: a crowd without any such answer is none of these."""
    confusion = np.array([[160, 0, 40], [0, 160, 40], [0, 20, 180]])
    assert not correct_shares([100, 100, 0], confusion, draws=300).fits
    assert correct_shares([80, 80, 40], confusion, draws=300).fits


def test_an_answer_that_was_never_given_on_the_test_faces_does_not_break_it():
    confusion = np.array([[100, 0, 0], [0, 100, 0], [60, 40, 0]])
    found = correct_shares([10, 10, 5], confusion, draws=200)
    assert np.isfinite(found.share).all() and found.share.sum() == pytest.approx(1)
    assert not found.fits


def test_the_same_answers_give_the_same_intervals():
    one, two = (correct_shares([7, 9], GENDER, draws=200) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
