import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.recipes import FitOptions
from facecli.training import soft_labels
from facecli.training.prepare import (
    IN_BIN,
    NO_AGE,
    build_targets,
    encode_age,
    encode_age_bins,
    encode_classes,
)
from facecli.training.soft_labels import mix, soften_labels


def test_no_rows():
    assert mix(np.zeros((0, 118), np.float32), np.zeros((0, 117))).shape == (0, 118)


def test_a_missing_label_stays_missing():
    assert not mix(encode_classes(np.array([-1]), 2), np.full((1, 2), 0.5)).any()
    assert not mix(encode_age(np.array([-1])), np.full((1, 117), 1 / 117)).any()


@given(st.integers(0, 4), st.integers(0, 2**31))
def test_a_mixed_class_is_a_distribution_between_label_and_teacher(label, seed):
    teacher = np.random.default_rng(seed).dirichlet(np.ones(5), 1)
    mixed = mix(encode_classes(np.array([label]), 5), teacher)[0]
    assert mixed.sum() == pytest.approx(1, abs=1e-5)
    assert mixed[label] == pytest.approx((1 + teacher[0, label]) / 2, abs=1e-5)


@given(st.integers(0, 116), st.integers(0, 2**31))
def test_an_age_moves_towards_what_the_teacher_expects(age, seed):
    teacher = np.random.default_rng(seed).dirichlet(np.ones(117), 1)
    mixed = mix(encode_age(np.array([age])), teacher)[0]
    expected = teacher[0] @ np.arange(117)
    assert mixed[:-1].sum() == pytest.approx(1, abs=1e-5)
    assert mixed[-1] == pytest.approx(0.15 * age + 0.85 * expected, abs=1e-3)


@given(st.integers(0, 116), st.integers(0, 40), st.integers(0, 2**31))
def test_an_age_bin_takes_what_the_teacher_says_within_it(low, width, seed):
    high = min(low + width, 116)
    teacher = np.random.default_rng(seed).dirichlet(np.ones(117), 1)
    mixed = mix(encode_age_bins(np.array([low]), np.array([high])), teacher)[0]
    assert mixed[:-1].sum() == pytest.approx(1, abs=1e-5)
    assert mixed[low : high + 1].sum() == pytest.approx(1, abs=1e-5)
    assert mixed[:-1].argmax() == low + teacher[0, low : high + 1].argmax()
    assert mixed[-1] == NO_AGE


def test_bins_stand_in_for_ages_that_are_missing_only():
    labels = {"age_years": [30, -1, -1], "age_low": [-1, 20, -1], "age_high": [-1, 29, -1]}
    ages = build_targets(labels, ("age",))["age"]
    assert ages[0, :-1].argmax() == 30 and ages[0, -1] == 30
    assert np.flatnonzero(ages[1, :-1]).tolist() == list(range(20, 30)) and ages[1, -1] == IN_BIN
    assert not ages[2].any()


def test_a_resumed_run_asks_the_same_teachers_without_training_them_again(tmp_path, monkeypatch):
    monkeypatch.setattr(soft_labels, "TEACHER", FitOptions(epochs=1, batch_size=16))
    random = np.random.default_rng(0)
    targets = {"gender": encode_classes(random.integers(0, 2, 40), 2)}
    given = (
        targets,
        [random.normal(size=(40, 6)).astype(np.float32)],
        np.arange(40),
        np.arange(32),
        tmp_path,
        1,
    )
    first = soften_labels(*given)

    def trained_again(*_, **__):
        raise AssertionError("a teacher was trained again")

    monkeypatch.setattr(keras.Model, "fit", trained_again)
    again = soften_labels(*given, resume=True)
    np.testing.assert_allclose(again["gender"], first["gender"], atol=1e-6)
    assert (first["gender"][32:] == targets["gender"][32:]).all()
    assert not (first["gender"][:32] == targets["gender"][:32]).all()


def test_a_label_that_is_missing_is_not_given_by_a_teacher(tmp_path, monkeypatch):
    monkeypatch.setattr(soft_labels, "TEACHER", FitOptions(epochs=1, batch_size=16))
    random = np.random.default_rng(0)
    gender = np.where(np.arange(40) % 2, random.integers(0, 2, 40), -1)
    targets = build_targets({"age_years": random.integers(1, 90, 40), "gender": gender}, ("age", "gender"))
    looks = [random.normal(size=(40, 6)).astype(np.float32)]
    mixed = soften_labels(targets, looks, np.arange(40), np.arange(40), tmp_path, 1)
    assert not mixed["gender"][::2].any() and mixed["gender"][1::2].all()
    assert mixed["age"][:, :-1].any(axis=1).all()


def test_the_teachers_of_a_fold_speak_with_one_voice(tmp_path, monkeypatch):
    """Each has a look of its own and says a share of the first class; no row is told by who learnt it."""
    asked = []

    class Teacher:
        def __init__(self, share, learnt):
            self.share, self.learnt = share, learnt

        def predict(self, features, **_):
            asked.append((set(features[:, 0].astype(int)), set(self.learnt)))
            assert (features[:, 1] == self.share * 4).all()
            return {"gender": np.tile([[self.share, 1 - self.share]], (len(features), 1))}

    def teach(features, targets, learnt, held, options, folder):
        return Teacher(int(folder.name.split("-")[1]) / 4, learnt)

    monkeypatch.setattr(soft_labels, "_teach", teach)
    targets = {"gender": encode_classes(np.array([1] * 20 + [-1] * 4), 2)}
    looks = [np.stack([np.arange(24.0), np.full(24, number)], axis=1) for number in range(3)]
    given = targets, looks, np.arange(24), np.arange(20), tmp_path, 1
    mixed = soften_labels(*given)["gender"]
    np.testing.assert_allclose(mixed[:20], np.tile([[0.125, 0.875]], (20, 1)))
    assert not mixed[20:].any()
    assert all(rows & learnt == set() for rows, learnt in asked)
